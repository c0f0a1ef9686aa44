"""An executor that turns a training into a graph of pure tasks, which a backend runs anywhere."""

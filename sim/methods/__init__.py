"""Training methods, one file each; `registry` maps their names to their classes."""

"""Controllers: cuts, batch sizes and participants of the next round, from the times of closed rounds."""

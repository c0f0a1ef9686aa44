"""Results of a run: in memory, in a folder, read back, compared and exported."""

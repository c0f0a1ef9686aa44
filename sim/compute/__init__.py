"""Time on a processor: stages, the work of a round, memory, variability, the server's queue."""

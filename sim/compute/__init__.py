"""Time on a processor: stages of layers, the work of a round, memory, variability, the server's queue."""

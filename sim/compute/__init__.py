"""Time on a processor: roofline, the work of a round, memory, variability, the server's queue."""

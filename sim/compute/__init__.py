"""Time on a processor: the roofline, the work of a round, memory, variability, the server's queue."""

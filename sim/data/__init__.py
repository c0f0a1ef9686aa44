"""Data sets: readers, catalogue, partition over clients, batches, random streams."""

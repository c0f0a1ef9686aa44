"""Data sets: readers, catalogue, partition over clients, batches and augmentation."""

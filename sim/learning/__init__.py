"""Training: chains of operations on replicas, averages, learning digests and the inline executor."""

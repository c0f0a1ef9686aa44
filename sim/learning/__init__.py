"""Learning: replicas, data, partition, aggregation and the layers that perform operations."""

"""The two ends of a client's round, the messages between them, and the world they share."""

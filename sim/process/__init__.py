"""The process: signals, and Python's module search path."""

"""The process: signals, Python's module search path, and processes that run tasks for it."""

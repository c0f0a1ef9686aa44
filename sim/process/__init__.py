"""The process itself: signals, and the path on which modules are found."""

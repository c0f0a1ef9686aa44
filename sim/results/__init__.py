"""Results: figures of methods and rounds, written to a folder and read back."""

"""Output files: atomic writes, checksums, CSV, and plain text."""

"""Files that are written whole or not at all, their names, checksums and plain text."""

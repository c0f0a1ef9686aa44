"""The simulator: virtual time, methods, learning, results, studies and the command line."""

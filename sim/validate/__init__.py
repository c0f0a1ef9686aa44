"""Measured times of a testbed beside simulated ones, and their errors."""

"""Calibration: a device profile of this machine, fitted to timings of real training."""

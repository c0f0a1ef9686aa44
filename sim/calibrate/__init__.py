"""Calibration: a device profile from what the machine that this runs on takes for real training."""

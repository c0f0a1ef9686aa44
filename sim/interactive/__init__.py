"""Cutlayer in a script or notebook: scenarios from Python objects, and runs with progress."""

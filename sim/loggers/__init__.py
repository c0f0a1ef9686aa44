"""Loggers: they send the figures of a run to a tracking tool while it runs."""

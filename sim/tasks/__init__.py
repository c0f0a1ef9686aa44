"""Tasks: what a model learns, and how its results are measured."""

"""Studies: a scenario run at many points, with trainings shared between equal ones."""

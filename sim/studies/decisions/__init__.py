"""Decisions of a study: crossovers, best values, Pareto fronts, sensitivities."""

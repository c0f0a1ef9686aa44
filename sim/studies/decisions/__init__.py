"""What a study's results are asked for: crossovers, best values, Pareto fronts, sensitivities."""

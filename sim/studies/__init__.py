"""Studies: one scenario at many points; the clock for each, a training for each learning digest."""

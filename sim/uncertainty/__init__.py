"""How sure the simulated times are: draws of the uncertain figures, and their statistics."""

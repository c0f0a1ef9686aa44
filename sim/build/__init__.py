"""From a scenario to a plan and a world: topology, network, compute, memory, and their checks."""

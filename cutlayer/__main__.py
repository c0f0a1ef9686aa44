"""`python -m cutlayer`: the command line, where the command itself is not on the path."""

from cutlayer.sim.cli import main

main()

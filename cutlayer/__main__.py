"""Run the command line as `python -m cutlayer`."""

from cutlayer.sim.cli import main

main()

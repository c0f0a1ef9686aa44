"""The log of a run: intervals, the record of a round, the use of links, the energy of devices."""

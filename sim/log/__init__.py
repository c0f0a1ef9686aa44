"""What happened when: intervals, the rows of a run, the use of links, energy."""

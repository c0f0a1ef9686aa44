"""Pure functions from a run's results to something to look at: table, plots, timeline, trace."""

from sim.views.gantt import write_timeline
from sim.views.plots import write_plots
from sim.views.table import print_table
from sim.views.topology_plot import write_topology
from sim.views.topology_text import topology_lines
from sim.views.trace import write_trace

__all__ = [
    "print_table",
    "topology_lines",
    "write_plots",
    "write_timeline",
    "write_topology",
    "write_trace",
]

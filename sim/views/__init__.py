"""Results as tables on a terminal, charts, pictures, topologies and traces."""

from cutlayer.sim.views.plots import write_plots
from cutlayer.sim.views.table import print_table
from cutlayer.sim.views.topology_plot import write_topology
from cutlayer.sim.views.topology_text import topology_lines
from cutlayer.sim.views.trace import write_trace

__all__ = [
    "print_table",
    "topology_lines",
    "write_plots",
    "write_topology",
    "write_trace",
]

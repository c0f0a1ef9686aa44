"""Changing bandwidth: recordings, schedules and random processes as functions of time."""

from cutlayer.topologies.bandwidth.changed import Changed, Steps
from cutlayer.topologies.bandwidth.csv_trace import read_csv
from cutlayer.topologies.bandwidth.files import TraceError
from cutlayer.topologies.bandwidth.mahimahi import read_mahimahi
from cutlayer.topologies.bandwidth.profile import Profile, Varying
from cutlayer.topologies.bandwidth.random_rates import Lognormal, TwoStates
from cutlayer.topologies.bandwidth.table import Shifted, Table, Tabled

__all__ = [
    "Changed",
    "Lognormal",
    "Profile",
    "Shifted",
    "Steps",
    "Table",
    "Tabled",
    "TraceError",
    "TwoStates",
    "Varying",
    "read_csv",
    "read_mahimahi",
]

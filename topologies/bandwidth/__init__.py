"""Bandwidth that changes: recordings, schedules and random processes as functions of time."""

from topologies.bandwidth.changed import Changed, Steps
from topologies.bandwidth.csv_trace import read_csv
from topologies.bandwidth.files import TraceError
from topologies.bandwidth.lognormal import Lognormal
from topologies.bandwidth.mahimahi import read_mahimahi
from topologies.bandwidth.markov import TwoStates
from topologies.bandwidth.profile import Constant, Profile, Varying
from topologies.bandwidth.table import Shifted, Table, Tabled

__all__ = [
    "Changed",
    "Constant",
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

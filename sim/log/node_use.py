"""The use of a node that computes beside the clients: the server, or an edge node."""

from dataclasses import dataclass

from cutlayer.sim.log.intervals import Intervals, Phase


@dataclass(frozen=True)
class Slots:
    """How many jobs a node runs at once; if it `interleaves` them, it may run more."""

    count: int
    interleaves: bool = False


@dataclass(frozen=True)
class NodeUse:
    """The jobs of a node, the seconds of its slots, and the waits of its jobs, in seconds."""

    busy_s: float
    jobs: int
    wait_s: float
    longest_wait_s: float


def use_of_node(intervals: Intervals, number: int) -> NodeUse:
    """Return the use of the node that the log numbers so."""
    own = intervals.actor == number
    on_slots = intervals.of(Phase.SERVER_COMPUTE) & own
    waits = intervals.duration[intervals.of(Phase.SERVER_QUEUE) & own]
    return NodeUse(
        float(intervals.duration[on_slots].sum()),
        int(on_slots.sum()),
        float(waits.sum()),
        float(waits.max(initial=0.0)),
    )

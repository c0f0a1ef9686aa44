"""The use of the server, or of an edge node that computes."""

from dataclasses import dataclass

from cutlayer.sim.log.intervals import Intervals, Phase


@dataclass(frozen=True)
class Slots:
    """The number of jobs that a node runs at once; if it `interleaves` jobs, it may run more."""

    count: int
    interleaves: bool = False


@dataclass(frozen=True)
class NodeUse:
    """The jobs of a node, the seconds of its slots, and the waits of its jobs, in seconds."""

    busy_s: float
    jobs: int
    wait_s: float
    longest_wait_s: float


@dataclass
class NodeTotals:
    """The use of a node over a run: sums over its `slots`, or over its jobs, in seconds."""

    slots: int
    busy_s: float = 0.0
    available_s: float = 0.0
    jobs: int = 0
    wait_s: float = 0.0
    longest_wait_s: float = 0.0

    def add(self, use: NodeUse, duration_s: float) -> None:
        """Add a round's use."""
        self.busy_s += use.busy_s
        self.available_s += self.slots * duration_s
        self.jobs += use.jobs
        self.wait_s += use.wait_s
        self.longest_wait_s = max(self.longest_wait_s, use.longest_wait_s)

    def summary(self) -> dict[str, object]:
        """Return its entry of summary.json."""
        waits = {"mean": self.wait_s / self.jobs, "max": self.longest_wait_s} if self.jobs else None
        idle = 1.0 - self.busy_s / self.available_s if self.available_s else None
        return {"slots": self.slots, "jobs": self.jobs, "wait_s": waits, "idle_fraction": idle}


def use_of_node(intervals: Intervals, number: int) -> NodeUse:
    """Return the use of the node with this number in the log."""
    of_node = intervals.actor == number
    on_slots = intervals.of(Phase.SERVER_COMPUTE) & of_node
    waits = intervals.duration[intervals.of(Phase.SERVER_QUEUE) & of_node]
    return NodeUse(
        float(intervals.duration[on_slots].sum()),
        int(on_slots.sum()),
        float(waits.sum()),
        float(waits.max(initial=0.0)),
    )

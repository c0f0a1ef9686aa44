"""The result of a single round: its totals, and for some rounds every interval.

Times are virtual seconds. Figures that were not measured are None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cutlayer.sim.log.link_use import Key
from cutlayer.sim.log.record import RoundRecord
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.tasks.metric import ACCURACY

# The fields of RoundResult that come from the training; equal learning digests give equal values.
TRAINED: Final = (
    *("accuracy", "metrics", "training_loss", "learning_rate", "test_loss", "class_accuracy"),
)


@dataclass(frozen=True)
class KeptRound:
    """A round whose intervals are kept: its number, type, start and clients, in order.

    `links` has the names of the resources used in it, `edges` those of the edge nodes that compute.
    """

    index: int
    round_type: str
    start_s: float
    participants: tuple[str, ...]
    record: RoundRecord
    links: Mapping[Key, str] = field(default_factory=dict)
    edges: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoundResult:
    """One closed round of one method. `virtual_time_s` is when it closed.

    For an asynchronous method it is a window: `clients` is the number of updates that ended in it,
    and `version` the server's version at its end.

    `waited_s` is the time before it in which no client was online. `wasted_bytes` are the wire bytes
    of transfers that were cut off; the wire bytes include them. `utilisation` has the used share of
    capacity of the first shared links, and the mean share of the access links in use. `wire_by` and
    `payload_by` have the bytes by category and direction that are not 0, see `cutlayer.sim.log.traffic`.
    `tiers` has the use of each tier if edge nodes have devices, see `cutlayer.sim.log.tiers`.

    The figures of the training (`TRAINED`) are None if nothing was trained: `training_loss` is the mean
    over the samples of all steps, `learning_rate` that of the chains; `accuracy`, `test_loss` and
    `class_accuracy` are those of an evaluation, and `metrics` has the task's metrics besides accuracy by
    name. Losses that are not finite are None.
    """

    index: int
    round_type: str
    clients: int
    round_time_s: float
    virtual_time_s: float
    additive_round_time_s: float
    wire_up: int
    wire_down: int
    payload_up: int
    payload_down: int
    critical_path_s: Mapping[str, float]
    additive_s: Mapping[str, float]
    straggler: str | None
    accuracy: float | None = None
    barrier_s: float = 0.0  # mean wait of a participant for the round to close
    waited_s: float = 0.0
    clients_dropped: int = 0
    wasted_bytes: int = 0
    energy_j: float | None = None  # of the participants' devices; None if unknown
    server_jobs: int = 0
    server_wait_s: float = 0.0  # of all jobs together
    longest_server_wait_s: float = 0.0
    wire_by: Mapping[str, int] = field(default_factory=dict)
    payload_by: Mapping[str, int] = field(default_factory=dict)
    utilisation: Mapping[str, float] = field(default_factory=dict)
    version: int | None = None
    tiers: Mapping[str, float] = field(default_factory=dict)
    training_loss: float | None = None
    learning_rate: float | None = None
    test_loss: float | None = None
    class_accuracy: tuple[float | None, ...] | None = None
    metrics: Mapping[str, float] | None = None

    def value(self, metric: str) -> float | None:
        """Return a metric of the evaluation; None without one."""
        return self.accuracy if metric == ACCURACY.name else (self.metrics or {}).get(metric)

    @property
    def evaluated(self) -> list[tuple[str, float]]:
        """The figures of the evaluation: accuracy, further metrics, test loss, as far as known."""
        values = {
            "accuracy": self.accuracy,
            **(self.metrics or {}),
            "test_loss": self.test_loss,
        }
        return [(name, value) for name, value in values.items() if value is not None]

    @property
    def trained(self) -> dict[str, Any]:
        """The known figures of the training, by the names of their fields."""
        values = {name: getattr(self, name) for name in TRAINED}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def noun(self) -> str:
        """ "round", or "window" of an asynchronous method."""
        return WINDOW if self.round_type == WINDOW else "round"


class Decided(NamedTuple):
    """A client's cut and batch size from a round on, as a controller set them."""

    round: int
    client: str
    device: str
    cut: int
    batch_size: int

"""Controllers: their input, the times and bytes of closed rounds, and their decisions.

A controller is a subclass of `Controller` with `decide`. It gets times and bytes, never tensors, so that
its decisions are the same whether a run trains or not. Decisions that affect learning are in the
learning digest: the cut and the batch size of a client's chain, and the participants.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from cutlayer.errors import UserError

CUTS: Final = "cuts"
BATCH_SIZES: Final = "batch_sizes"
PARTICIPANTS: Final = "participants"


class ControlError(UserError):
    """A decision that cannot be carried out."""


class NoOptions(BaseModel):
    """The options of a controller without any."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class ClientFacts:
    """The data of a client for controllers: `cuts` are those that it may have.

    Batches have `batch_size` samples unless a controller makes them smaller, to `min_batch` at least.
    """

    index: int
    name: str
    device: str
    samples: int
    batch_size: int
    cuts: tuple[int, ...]
    min_batch: int = 1


@dataclass(frozen=True)
class PredictedRound:
    """The prediction of a client's round without contention for its links and the server.

    `seconds` are those of the whole round, with propagation delays and overheads; bytes are wire bytes.
    """

    seconds: float
    computing_s: float
    up_s: float
    down_s: float
    server_s: float
    up_bytes: int
    down_bytes: int
    device_flops: float
    server_flops: float

    @property
    def rest_s(self) -> float:
        """The remaining time: propagation delays in which nothing else happens, and the fold."""
        return max(0.0, self.seconds - self.computing_s - self.up_s - self.down_s - self.server_s)


@dataclass(frozen=True)
class ClientRound:
    """A client's part in a closed round.

    `computing_s` is the time of its device, `server_s` that of its jobs on the server, `queue_s` their
    wait. `up_s` and `down_s` are the times of its transfers, without propagation delays; `weights_s` is
    the part of weights, in both directions. `done_s` is its end, in seconds since the round began.
    Bytes are wire bytes.
    """

    client: int
    cut: int
    batch_size: int
    done_s: float
    computing_s: float
    up_s: float
    down_s: float
    weights_s: float
    queue_s: float
    server_s: float
    up_bytes: int
    down_bytes: int
    device_flops: float
    server_flops: float
    dropped: bool

    @property
    def up_rate(self) -> float | None:
        """The mean rate of its uploads, bytes/s; None if they took no time."""
        return self.up_bytes / self.up_s if self.up_s > 0 else None

    @property
    def down_rate(self) -> float | None:
        """The mean rate of its downloads, bytes/s; None if they took no time."""
        return self.down_bytes / self.down_s if self.down_s > 0 else None


@dataclass(frozen=True)
class ClosedRound:
    """A closed round: its makespan in seconds, and the clients that took part."""

    index: int
    seconds: float
    clients: tuple[ClientRound, ...]


@dataclass(frozen=True)
class History:
    """The information before round `index`.

    `clients` has all clients, `able` those that can take part. `cuts` and `batch_sizes` are the present
    ones by client; `rounds` are the latest closed rounds, the last one last (`Controller.remembers`).
    `predict` returns a client's round at a cut without contention, from the cost model and its links at
    the start of the run.
    """

    index: int
    clients: Sequence[ClientFacts]
    able: Sequence[int]
    clients_per_round: int
    rounds: Sequence[ClosedRound]
    cuts: Mapping[int, int] | Sequence[int]
    batch_sizes: Mapping[int, int]
    predict: Callable[[int, int], PredictedRound]


@dataclass(frozen=True)
class Decisions:
    """The changes from this round on; everything else stays as it is.

    `cuts` are by client, or a function that returns the cut of a client when it first takes part. A
    client with another batch size trains on as many batches as before, so that smaller batches are less
    work. The clients of a round are drawn among the `participants`, by default all.
    """

    cuts: Mapping[int, int] | Callable[[int], int] = field(default_factory=dict)
    batch_sizes: Mapping[int, int] = field(default_factory=dict)
    participants: Sequence[int] | None = None


class Controller(ABC):
    """The base of controllers, which decide before every round.

    `sets` names the fields of `Decisions` that it sets. `settles` says that a client's cut never changes
    once the client has taken part. `remembers` is the number of closed rounds that it sees.
    """

    sets: ClassVar[frozenset[str]]
    settles: ClassVar[bool] = False
    remembers: ClassVar[int] = 1
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: Any) -> None:
        self.options = options

    @abstractmethod
    def decide(self, history: History) -> Decisions:
        """Return what changes from round `history.index` on."""

"""Results of a training that may not exist yet, since chains may run later or in other processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cutlayer.sim.learning.digest import Digest

if TYPE_CHECKING:
    from cutlayer.sim.learning.state_key import StateKey

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """A result that may not exist yet."""

    @property
    def done(self) -> bool:
        """Whether `result` returns at once."""

    def result(self) -> T_co:
        """Wait for the result and return it. Raises the error of the work behind it."""


@dataclass(frozen=True)
class Completed(Generic[T]):
    """A result that exists already."""

    value: T
    done = True

    def result(self) -> T:
        """Return the result."""
        return self.value


@dataclass(frozen=True)
class ChainReport:
    """What a chain reports: its mean training loss over `samples` samples; None if it has no loss."""

    loss: float | None = None
    samples: int = 0


@dataclass(frozen=True)
class Evaluation:
    """The figures of models on the test set, weighted means over the models.

    `confusion[label][predicted]` counts test samples, added up over the models with their weights.
    Without classes it is empty; `accuracy` is None if the task has none. `metrics` has the task's other
    metrics by name, and `models` all figures of each model. `finite` is whether all weights are finite.
    """

    accuracy: float | None
    loss: float
    finite: bool
    confusion: tuple[tuple[int, ...], ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    models: tuple[Mapping[str, float], ...] = ()


class Mark(Protocol):
    """The states of a run at the close of a round, kept until `release`.

    It is done once everything that was issued before it has run.
    """

    @property
    def done(self) -> bool:
        """Whether `result` returns at once."""

    def result(self) -> None:
        """Wait until it is done. Raises the error of a chain."""

    def weights_digest(self) -> str | None:
        """Return a fingerprint of all trained weights, which does not depend on the cut.

        None if the states are unknown, which those of a replayed round are.
        """

    def values(self) -> "Mapping[tuple[StateKey, int], Any]":
        """Return the states by name and version: the current ones, and those that open chains read."""

    def tokens(self) -> "Mapping[tuple[StateKey, int], object]":
        """Return an object for each value; marks that share a value have the same object for it."""

    def versions(self) -> "Mapping[StateKey, int]":
        """Return the current version of each state."""

    def groups(self) -> "Sequence[Any]":
        """Return the groups with open chains as values (`GroupRun.dump`), None if nothing has run.

        They are in the order in which their first chains were opened. Ask for them, and encode them,
        before the next round is issued.
        """

    def release(self) -> None:
        """Free what only this mark keeps."""


Reports = Pending[Sequence[ChainReport]]


@dataclass(frozen=True)
class TrainedRound:
    """The learning of a round that has closed: its digest and, if it is trained, states and reports.

    `rates` are the learning rates of the chains that were folded in it.
    """

    digest: Digest
    mark: Mark | None
    pending: Sequence[Reports]
    rates: Sequence[float] = ()

    @property
    def done(self) -> bool:
        """Whether everything that was issued in the round has run."""
        return (self.mark is None or self.mark.done) and all(one.done for one in self.pending)

    def result(self) -> Sequence[ChainReport]:
        """Wait until it is done; return the reports of the chains that were folded in it, in order."""
        reports = [report for one in self.pending for report in one.result()]
        if self.mark is not None:
            self.mark.result()
        return reports

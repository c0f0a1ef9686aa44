"""A table that holds published figures against simulated ones, and says where each comes from."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["fitted", "predicted", "inferred"]


@dataclass(frozen=True)
class Line:
    """One figure of a paper or a log beside ours.

    `kind` says what the simulated figure is: `fitted` (it, or something it rests on alone, was set from
    the published figure), `predicted` (nothing of it was), `inferred` (predicted by a switch of which
    the source does not say that it was used). `simulated` is None where it cannot be told, and the
    `note` says why. `within` is the deviation that we ask of ourselves, as a share.
    """

    quantity: str
    unit: str
    published: float | None
    kind: Kind
    simulated: float | None
    source: str
    note: str = ""
    within: float | None = None

    @property
    def deviation(self) -> float | None:
        """By how much the simulated figure is more than the published, as a share of that."""
        if self.published is None or self.simulated is None:
            return None
        return self.simulated / self.published - 1

    @property
    def holds(self) -> bool | None:
        """Whether the deviation is as small as we ask; None where nothing is asked or known."""
        if self.within is None or self.deviation is None:
            return None
        return abs(self.deviation) <= self.within


@dataclass(frozen=True)
class Fitted:
    """A figure that was set so that the simulation meets a published one."""

    name: str
    value: str
    fitted_on: str


@dataclass(frozen=True)
class Table:
    """The lines of one source, what was fitted for them, and what is to be said about them."""

    name: str
    title: str
    lines: tuple[Line, ...]
    fitted: tuple[Fitted, ...] = ()
    remarks: tuple[str, ...] = ()

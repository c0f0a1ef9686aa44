"""A table of published figures beside simulated ones, with the status of each, and its ranking."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from typing import Final, Literal

from cutlayer.sim.views.quantities import significant

BYTES: Final = "B"  # the unit of figures that are exact
Kind = Literal["fitted", "predicted", "inferred"]


@dataclass(frozen=True)
class Line:
    """A published figure, of a paper or a log, beside the simulated one.

    `kind` is the status of the simulated figure: `fitted` (set from the published one, itself or through
    the only figure that decides it), `predicted` (independent of it), or `inferred` (predicted with an
    option that the source does not state to have used). `simulated` is None if it cannot be determined;
    `note` says why. `within` is the largest relative deviation that we accept. `interval` is that of the
    simulated figure over draws of what is not known exactly.
    """

    quantity: str
    unit: str
    published: float | None
    kind: Kind
    simulated: float | None
    source: str
    note: str = ""
    within: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def deviation(self) -> float | None:
        """Relative deviation of the simulated figure from the published one."""
        if self.published is None or self.simulated is None:
            return None
        return self.simulated / self.published - 1

    @property
    def holds(self) -> bool | None:
        """Whether the deviation is at most `within`; None if one of them is missing."""
        if self.within is None or self.deviation is None:
            return None
        return abs(self.deviation) <= self.within

    @property
    def inside(self) -> bool | None:
        """Whether the interval holds the published figure; None if one of them is missing."""
        if self.interval is None or self.published is None:
            return None
        return self.interval[0] <= self.published <= self.interval[1]


@dataclass(frozen=True)
class Fitted:
    """A figure that was set so that the simulation reproduces a published one."""

    name: str
    value: str
    fitted_on: str


@dataclass(frozen=True)
class Table:
    """The lines of one source, the figures fitted for them, and remarks."""

    name: str
    title: str
    lines: tuple[Line, ...]
    fitted: tuple[Fitted, ...] = ()
    remarks: tuple[str, ...] = ()


def timed(tables: Iterable[Table], *, only_predicted: bool = False) -> list[Line]:
    """Return the lines in seconds that have both figures, without the fitted ones if requested."""
    return [
        line
        for table in tables
        for line in table.lines
        if line.unit == "s"
        and line.deviation is not None
        and not (only_predicted and line.kind == "fitted")
    ]


def kendall_tau(lines: Iterable[Line]) -> float | None:
    """Return Kendall's tau-b between published and simulated figures.

    It is None for fewer than two lines, and if all figures of a side are equal.
    """
    pairs = [(line.published, line.simulated) for line in lines]
    if len(set(pairs)) < 2:
        return None
    published, simulated = zip(*pairs, strict=True)
    # Imported here because it is slow, and untyped.
    tau = float(import_module("scipy.stats").kendalltau(published, simulated).statistic)
    return tau if isfinite(tau) else None


def absolute_errors(lines: Iterable[Line]) -> list[float]:
    """Return the absolute relative deviations of the lines that have both figures."""
    return [abs(line.deviation) for line in lines if line.deviation is not None]


def deviation_text(line: Line) -> str:
    """Return the deviation in percent, or nothing if there is none."""
    return "" if line.deviation is None else f"{100 * line.deviation:+.1f} %"


def quantity_text(value: float | None, unit: str) -> str:
    """Return a figure of a line with four digits, or a number of bytes with all of them."""
    if value is not None and unit == BYTES:
        return f"{value:,.0f} {unit}"
    return "unknown" if value is None else f"{significant(value, 4)} {unit}"

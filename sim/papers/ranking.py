"""Whether the simulated order of measured times is the real one: Kendall's tau."""

from collections.abc import Iterable
from importlib import import_module

from cutlayer.sim.papers.table import Line, Table


def timed(tables: Iterable[Table], *, only_predicted: bool = False) -> list[Line]:
    """Return the rows in seconds that have both figures; without the fitted ones if asked."""
    return [
        line
        for table in tables
        for line in table.lines
        if line.unit == "s"
        and line.deviation is not None
        and not (only_predicted and line.kind == "fitted")
    ]


def kendall_tau(lines: Iterable[Line]) -> float | None:
    """Return Kendall's tau-b between published and simulated figures; None for fewer than two."""
    pairs = [(line.published, line.simulated) for line in lines]
    if len(pairs) < 2:
        return None
    published, simulated = zip(*pairs, strict=True)
    # A slow import, and not typed.
    return float(import_module("scipy.stats").kendalltau(published, simulated).statistic)

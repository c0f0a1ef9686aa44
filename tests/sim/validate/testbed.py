"""A synthetic testbed: the results of a run, written as its measured times."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from small_scenarios import METHODS, MIXED, read

from cutlayer import run
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.validate.comparison import Comparison
from cutlayer.sim.validate.validate import validate

LABELS = ("classic_fl", "splitfed", "ecofed", "fedgkt")
SCENARIO = MIXED.replace(
    METHODS, "methods: [classic_fl, splitfed, {ecofed: {init: random}}, fedgkt]\n"
)


@cache
def ran() -> tuple[Loaded, dict[str, MethodResult]]:
    """The scenario, and what was measured there: its run."""
    loaded = read(SCENARIO)
    (result,) = run(loaded, executor="none")
    return loaded, result.methods


def mean_rounds() -> dict[str, float]:
    """Each method's mean round."""
    return {label: one.mean_of(lambda r: r.round_time_s) for label, one in ran()[1].items()}


def write(folder: Path, header: str, rows: Iterable[Iterable[object]]) -> Path:
    """Write a file of measured times."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path = folder / "measured.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def compared(folder: Path, header: str, rows: Iterable[Iterable[object]]) -> Comparison:
    """Validate the synthetic testbed by rows."""
    return validate(write(folder, header, rows), ran()[0])


def of_rounds(folder: Path, seconds: Mapping[str, float]) -> Comparison:
    """Validate the synthetic testbed by one mean round of each method."""
    return compared(folder, "method,seconds", seconds.items())

"""Decisions of a study at each of its draws: where methods cross, and which value is best."""

from collections.abc import Mapping, Sequence
from math import log
from typing import Final

import numpy as np

from cutlayer.scenarios.study import Point
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.studies.measures import Measured
from cutlayer.sim.studies.result import CellResult, StudyResult
from cutlayer.sim.uncertainty.statistics import Array, interval_of

COLUMNS: Final = {"time": "virtual_time_s", "time_to_target": "target_s"}  # of draws, by measure
CROSSOVER: Final = ("drawn_low", "drawn_median", "drawn_high", "drawn_share")


def measure_of(cells: Sequence[CellResult], measure: Measured) -> Array | None:
    """Return a measure at each draw of a method at a point; None if the draws do not include it."""
    drawn = next((cell for cell in cells if cell.draws is not None), None)
    column = COLUMNS.get(measure.by)
    if drawn is None or drawn.draws is None or column is None:
        return None
    if measure.target is not None and measure.target != drawn.best_target:
        return None
    return drawn.draws[column]


def is_drawn(study: StudyResult) -> bool:
    """Whether any cell of a study has draws."""
    return any(cell.draws is not None for cell in study.cells)


def drawn_crossover(
    study: StudyResult,
    points: Sequence[tuple[float, Point]],
    pair: tuple[str, str],
    measure: Measured,
    stated: tuple[float, bool] | None = None,
    tried: Mapping[float, float] | None = None,
) -> Row:
    """Return where a pair crosses over the draws, as columns of a row of crossovers.csv.

    `points` are the positions along the axis in ascending order. `stated` is the crossover of the stated
    figures and whether the first method is better below it; None if there is none. `tried` is the
    `ahead` of the stated figures at positions between the points. There the draws are not run: how far
    they are from the stated figures is interpolated between the points.
    """
    row: Row = dict.fromkeys(CROSSOVER)
    places: list[float] = []
    moved: list[Array] = []
    known = dict(tried or {})
    for position, point in points:
        cells = [study.by_point.get((point.number, label), []) for label in pair]
        first, second = (measure_of(found, measure) for found in cells)
        own = ahead_of([measure.mean([_drawn(found)]) for found in cells])
        mean = ahead_of([measure.mean(c.result for c in found) for found in cells])
        if first is None or second is None or own is None or mean is None:
            continue
        places.append(position)
        known[position] = mean
        moved.append(np.log(second) - np.log(first) - own)
    if len(places) < 2:
        return row
    grid = np.array(sorted(at for at in known if places[0] <= at <= places[-1]))
    old, new = (np.log(x) if places[0] > 0 else np.array(x) for x in (places, grid))
    weights = np.array([np.interp(new, old, unit) for unit in np.eye(len(places))])
    ahead = np.column_stack(moved) @ weights + [known[at] for at in grid]
    found = crossings(grid, ahead, stated)
    there = found[np.isfinite(found)]
    section = study.study.base.scenario.uncertainty
    interval = interval_of(there, section.interval if section else 0.9)
    row["drawn_share"] = len(there) / len(found)
    if interval is not None:
        row |= dict(zip(CROSSOVER, interval, strict=False))
    return row


def ahead_of(means: Sequence[float | None]) -> float | None:
    """Return the logarithm of how much better the first of two methods is; None if it is unknown."""
    first, second = means
    return log(second / first) if first and second else None


def _drawn(cells: Sequence[CellResult]) -> MethodResult | None:
    return next((cell.result for cell in cells if cell.draws is not None), None)


def crossings(positions: Array, ahead: Array, stated: tuple[float, bool] | None = None) -> Array:
    """Return the crossover of each draw, NaN where there is none.

    `ahead` is the logarithm of how much better the first method is, one row per draw and one column per
    position. Between neighbouring positions it is interpolated: linearly over the logarithm of the
    position if all are above 0. Of several crossovers in the same direction the one nearest to the
    stated one counts; without a stated one, the first in either direction.
    """
    scaled = np.log(positions) if positions.min() > 0 else positions
    low, high = ahead[:, :-1], ahead[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = low * high < 0
        if stated is not None:
            changes &= (low > 0) if stated[1] else (low < 0)
        share = low / (low - high)
    places = scaled[:-1] + share * np.diff(scaled)
    if stated is None:
        distance = np.where(changes, np.arange(places.shape[1]), np.inf)
    else:
        near = np.log(stated[0]) if positions.min() > 0 else stated[0]
        distance = np.where(changes, np.abs(places - near), np.inf)
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(ahead))
    found = np.where(changes[rows, nearest], places[rows, nearest], np.nan)
    result: Array = np.exp(found) if positions.min() > 0 else found
    return result


def best_shares(measures: Mapping[str, Array]) -> dict[str, float]:
    """Return the share of the draws in which each value of an axis is best, the largest share first.

    A value whose measure is NaN in a draw is not best there; of equal ones the first counts.
    """
    labels = list(measures)
    table = np.nan_to_num(np.column_stack([measures[label] for label in labels]), nan=np.inf)
    best = np.where(np.isfinite(table).any(axis=1), table.argmin(axis=1), -1)
    shares = {label: float(np.mean(best == number)) for number, label in enumerate(labels)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def drawn_best(
    members: Sequence[Sequence[CellResult]], axis: str, best: str | None, measure: Measured
) -> Row:
    """Return in which share of the draws `best` is best, and each value, as columns of best.csv."""
    measures = {
        cells[0].point.labels[axis]: values
        for cells in members
        if (values := measure_of(cells, measure)) is not None
    }
    if not measures:
        return {"best_share": None, "drawn": None}
    shares = best_shares(measures)
    text = ", ".join(f"{label}: {share:.0%}" for label, share in shares.items() if share > 0)
    return {"best_share": shares.get(best or ""), "drawn": text}

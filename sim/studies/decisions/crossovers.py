"""Find where one method overtakes another along an axis, by bisection between a sweep's points.

If two neighbouring points disagree about which of two methods is better, the axis between them is
bisected (geometrically if it is positive) until the crossover is known to the study's tolerance. The new
points are run like any other; points that differ only in timing need no training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice, pairwise

from cutlayer.scenarios.study import Point
from cutlayer.scenarios.study.points import Step
from cutlayer.scenarios.study.schema import Crossovers
from cutlayer.scenarios.study.values import between
from cutlayer.sim.results.columns import Row
from cutlayer.sim.studies.cells import Cell
from cutlayer.sim.studies.check import check_point
from cutlayer.sim.studies.decisions.drawn import ahead_of, drawn_crossover, is_drawn
from cutlayer.sim.studies.measures import Measured
from cutlayer.sim.studies.result import StudyResult
from cutlayer.sim.studies.runner import Runner

Pair = tuple[str, str]
MAX_HALVINGS = 60


@dataclass
class Bracket:
    """Two neighbouring steps of an axis between which the order of `pair` changes."""

    others: Mapping[str, Step]
    pair: Pair
    low: Step
    high: Step
    first_better_below: bool
    note: str | None = None
    tried: dict[float, float] = field(default_factory=dict)  # `ahead_of` by position

    def is_within(self, tolerance: float) -> bool:
        """Whether the crossover is known to the tolerance."""
        low, high = _position(self.low), _position(self.high)
        return self.note is not None or high - low <= tolerance * max(abs(high), abs(low))


def crossover_rows(
    study: StudyResult, runner: Runner, section: Crossovers, measure: Measured
) -> list[Row]:
    """Return a row for each pair and each crossover, or one row for a pair without any."""
    pairs = list(section.between or combinations(study.labels, 2))
    rows: list[Row] = []
    brackets: list[Bracket] = []
    along = _points_along(study, section.axis)

    def drawn(others: Mapping[str, Step], pair: Pair, bracket: Bracket | None = None) -> Row:
        if not is_drawn(study):
            return {}
        points = next(points for steps, points in along if steps == others)
        places = [(_position(point.steps[section.axis]), point) for point in points]
        if bracket is None:
            return drawn_crossover(study, places, pair, measure)
        _, at = between(_position(bracket.low), _position(bracket.high), bracket.low.value)
        stated = at, bracket.first_better_below
        return drawn_crossover(study, places, pair, measure, stated, bracket.tried)

    for others, steps in along:
        for pair in pairs:
            found, throughout = _brackets(study, section.axis, others, steps, pair, measure)
            brackets += found
            if not found:
                row = _row(section.axis, others, pair, measure) | {"better": throughout}
                rows.append(row | drawn(others, pair))
    for _ in range(MAX_HALVINGS):
        wide = [bracket for bracket in brackets if not bracket.is_within(section.tolerance)]
        if not wide:
            break
        _halve(study, runner, measure, section.axis, wide)
    for bracket in brackets:
        low, high = _position(bracket.low), _position(bracket.high)
        middle, at = between(low, high, bracket.low.value)
        better, worse = bracket.pair if bracket.first_better_below else bracket.pair[::-1]
        rows.append(
            _row(section.axis, bracket.others, bracket.pair, measure)
            | {
                "better": f"{better} below",
                "overtaken": f"{worse} above",
                "value": str(middle),
                "value_si": at,
                "low": low,
                "high": high,
                "note": bracket.note,
            }
            | drawn(bracket.others, bracket.pair, bracket)
        )
    return rows


def _row(axis: str, others: Mapping[str, Step], pair: Pair, measure: Measured) -> Row:
    return {
        "axis": axis,
        **{name: step.label for name, step in others.items()},
        "first": pair[0],
        "second": pair[1],
        "by": measure.name,
        **dict.fromkeys(("better", "overtaken", "value", "value_si", "low", "high", "note")),
    }


def _points_along(study: StudyResult, axis: str) -> list[tuple[dict[str, Step], list[Point]]]:
    """Return groups of points that differ on `axis` alone, ordered along it."""
    groups: dict[tuple[str, ...], tuple[dict[str, Step], list[Point]]] = {}
    for point in study.study.points:
        others = {name: step for name, step in point.steps.items() if name != axis}
        key = tuple(step.label for step in others.values())
        groups.setdefault(key, (others, []))[1].append(point)
    for _, points in groups.values():
        points.sort(key=lambda point: _position(point.steps[axis]))
    return list(groups.values())


def _brackets(
    study: StudyResult,
    axis: str,
    others: Mapping[str, Step],
    points: Sequence[Point],
    pair: Pair,
    measure: Measured,
) -> tuple[list[Bracket], str]:
    known = []
    for point in points:
        results = (study.by_point.get((point.number, label), []) for label in pair)
        means = [measure.mean(cell.result for cell in cells) for cells in results]
        advantage = _advantage(means, measure)
        if advantage:  # both known, and no tie
            known.append((point.steps[axis], advantage))
    found = [
        Bracket(others, pair, one, other, first_better_below=ahead > 0)
        for (one, ahead), (other, behind) in pairwise(known)
        if ahead * behind < 0
    ]
    if not known:
        return found, "no difference, or not known"
    return found, f"{pair[0] if known[0][1] > 0 else pair[1]} throughout"


def _advantage(means: Sequence[float | None], measure: Measured) -> float:
    """Return a positive number if the first is better, negative if the second is, 0 for neither."""
    first, second = means
    if first is None or second is None:
        return 0.0
    return first - second if measure.more_is_better else second - first


def _halve(
    study: StudyResult, runner: Runner, measure: Measured, axis: str, brackets: list[Bracket]
) -> None:
    """Run the middle of every bracket and keep the half in which the order changes."""
    middles: list[tuple[Bracket, Step, list[list[Cell]]]] = []
    for bracket in brackets:
        step = _middle(bracket)
        point = Point(-1, {name: {**bracket.others, axis: step}[name] for name in study.study.axes})
        checked = check_point(study.study, point, trains=runner.trains, data_dir=runner.data_dir)
        feasible = [row.cell for row in checked if row.infeasible is None]
        cells = [[cell for cell in feasible if cell.label == label] for label in bracket.pair]
        if not all(cells):
            bracket.note = f"does not fit into memory at {step.label}"
            continue
        middles.append((bracket, step, cells))
    results = iter(runner.run([c for _, _, cells in middles for group in cells for c in group]))
    for bracket, step, cells in middles:
        means = [measure.mean(islice(results, len(group))) for group in cells]
        if None in means:
            bracket.note = f"{measure.name} is not known at {step.label}"
            continue
        if (ahead := ahead_of(means)) is not None:
            bracket.tried[_position(step)] = ahead
        advantage = _advantage(means, measure)
        if not advantage:  # a tie: the crossover
            bracket.low = bracket.high = step
        elif (advantage > 0) == bracket.first_better_below:
            bracket.low = step
        else:
            bracket.high = step


def _middle(bracket: Bracket) -> Step:
    value, at = between(_position(bracket.low), _position(bracket.high), bracket.low.value)
    settings = tuple((path, value) for path, _ in bracket.low.settings)
    return Step(str(value), value, at, settings)


def _position(step: Step) -> float:
    assert step.number is not None, "crossovers need a numeric axis"
    return step.number

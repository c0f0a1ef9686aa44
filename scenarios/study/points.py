"""The points of a study: every combination of its axes' values that its conditions leave."""

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from scenarios.problems import show
from scenarios.study.schema import Axis, Study
from scenarios.study.values import labels, linear, logarithmic, place

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON: Final = re.compile(r"\s*(<=|>=|!=|==|<|>)\s*(.+?)\s*")


class ConditionError(ValueError):
    """A condition that says nothing about its axis."""


@dataclass(frozen=True)
class Step:
    """One value of an axis: its label, its place on the axis if numeric, what it sets."""

    label: str
    value: Any
    place: float | None
    settings: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Point:
    """One combination: its number (from 0, of the study's order) and a step of each axis."""

    number: int
    steps: Mapping[str, Step]

    @property
    def labels(self) -> dict[str, str]:
        """The label on every axis."""
        return {name: step.label for name, step in self.steps.items()}

    @property
    def overrides(self) -> tuple[str, ...]:
        """What the point sets, as for `--set`."""
        return tuple(
            override(path, value) for step in self.steps.values() for path, value in step.settings
        )

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {label}" for name, label in self.labels.items())
        return f"point {self.number} ({where})"


def override(path: str, value: Any) -> str:
    """Return a setting as for `--set`; JSON is YAML."""
    return f"{path}={json.dumps(value, ensure_ascii=False)}"


def steps_of(axis: Axis) -> list[Step]:
    """Return the steps of an axis in order. Raises RangeError."""
    if axis.zip is not None:
        columns = list(axis.zip.items())
        count = len(columns[0][1])
        values: list[Any] = list(columns[0][1])
        settings = [tuple((path, column[i]) for path, column in columns) for i in range(count)]
    else:
        values = _values(axis)
        settings = [tuple((path, value) for path in axis.paths) for value in values]
    places = [place(value) for value in values]
    kinds = {at[0] if at is not None else None for at in places}
    numeric = len(kinds) == 1 and None not in kinds and axis.labels is None
    texts = list(axis.labels) if axis.labels is not None else labels(values)
    if len(texts) != len(values):
        raise ConditionError(f"has {len(texts)} labels for {len(values)} values")
    return [
        Step(text, value, at[1] if numeric and at is not None else None, setting)
        for text, value, at, setting in zip(texts, values, places, settings, strict=True)
    ]


def points_of(study: Study, axes: Mapping[str, list[Step]]) -> list[Point]:
    """Return the points in order, the last axis running fastest. Raises ConditionError."""
    tests_to_skip = [_test(condition, axes) for condition in study.skip]
    tests_to_keep = [_test(condition, axes) for condition in study.only]
    found: list[Point] = []
    for combination in _combinations(axes):
        if any(test(combination) for test in tests_to_skip):
            continue
        if tests_to_keep and not any(test(combination) for test in tests_to_keep):
            continue
        found.append(Point(len(found), combination))
        if len(found) > study.max_points:
            raise ConditionError(f"has more than max_points ({study.max_points}) points")
    return found


def _values(axis: Axis) -> list[Any]:
    if axis.values is not None:
        return list(axis.values)
    if axis.range is not None:
        given = axis.range
        return linear(given.from_, given.to, given.count, given.step)
    assert axis.log_range is not None
    return logarithmic(axis.log_range.from_, axis.log_range.to, axis.log_range.count)


def _combinations(axes: Mapping[str, list[Step]]) -> Iterator[dict[str, Step]]:
    for steps in product(*axes.values()):
        yield dict(zip(axes, steps, strict=True))


def _test(
    condition: Mapping[str, Any], axes: Mapping[str, list[Step]]
) -> Callable[[Mapping[str, Step]], bool]:
    """Return the test of a condition: all its entries hold."""
    parts = [(name, _entry(name, wanted, axes[name])) for name, wanted in condition.items()]
    return lambda steps: all(test(steps[name]) for name, test in parts)


def _entry(name: str, wanted: Any, steps: list[Step]) -> Callable[[Step], bool]:
    if isinstance(wanted, list):
        tests = [_entry(name, one, steps) for one in wanted]
        return lambda step: any(test(step) for test in tests)
    compared = _COMPARISON.fullmatch(wanted) if isinstance(wanted, str) else None
    if compared is not None:
        sign, text = compared[1], compared[2]
        limit, first = place(_plain(text)), place(steps[0].value)
        if steps[0].place is None or limit is None or first is None or limit[0] != first[0]:
            raise ConditionError(
                f"compares the axis {name} with {show(wanted)}, and it has "
                f"{', '.join(step.label for step in steps[:3])}, ..."
            )
        number, compare = limit[1], COMPARISONS[sign]
        return lambda step: compare(step.place, number)
    if not any(wanted in (step.value, step.label) for step in steps):
        raise ConditionError(
            f"names {show(wanted)}, which the axis {name} does not have"
            f" (it has {', '.join(step.label for step in steps[:12])})"
        )
    return lambda step: wanted in (step.value, step.label)


def _plain(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text

"""The points of a study: all combinations of its axes' values that meet its conditions."""

import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError
from cutlayer.scenarios.problems import KeyPath, show
from cutlayer.scenarios.study.schema import Axis, Study
from cutlayer.scenarios.study.values import (
    AxisError,
    count_of,
    labels,
    linear,
    logarithmic,
    unit_and_number,
)

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON: Final = re.compile(r"\s*(<=|>=|!=|==|<|>)")


class ConditionError(UserError):
    """An invalid condition, or an invalid set of points; `path` is its place in the file."""

    def __init__(self, path: KeyPath, rule: str) -> None:
        super().__init__(path, rule)
        self.path = path
        self.rule = rule


@dataclass(frozen=True)
class Step:
    """One value of an axis: its label, its number if the axis is numeric, its settings."""

    label: str
    value: Any
    number: float | None
    settings: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Point:
    """A combination: its number (from 0, in the order of the study) and a step of each axis.

    Points that decisions add to those of the study have the number -1; without steps, it is the base
    scenario.
    """

    number: int
    steps: Mapping[str, Step]

    @property
    def labels(self) -> dict[str, str]:
        """The label on every axis."""
        return {name: step.label for name, step in self.steps.items()}

    @property
    def settings(self) -> tuple[tuple[str, Any], ...]:
        """The settings of the point: fields of the scenario with their values."""
        return tuple(setting for step in self.steps.values() for setting in step.settings)

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {label}" for name, label in self.labels.items())
        if self.number >= 0:
            return f"point {self.number} ({where})"
        return f"a point between the points ({where})" if where else "the base scenario"


def override(path: str, value: Any) -> str:
    """Return a setting as for `--set`; JSON is YAML."""
    return f"{path}={json.dumps(value, ensure_ascii=False)}"


def steps_of(axis: Axis) -> list[Step]:
    """Return the steps of an axis in order. Raises AxisError."""
    if axis.zip is not None:
        columns = list(axis.zip.items())
        count = len(columns[0][1])
        values: list[Any] = list(columns[0][1])
        settings = [tuple((path, column[i]) for path, column in columns) for i in range(count)]
    else:
        values = _values(axis)
        settings = [tuple((path, value) for path in axis.paths) for value in values]
    known = [unit_and_number(value) for value in values]
    units = {one[0] if one is not None else None for one in known}
    numeric = len(units) == 1 and None not in units and axis.labels is None
    texts = list(axis.labels) if axis.labels is not None else labels(values)
    if len(texts) != len(values):
        raise AxisError(f"has {len(texts)} labels for {len(values)} values", "labels")
    return [
        Step(text, value, one[1] if numeric and one is not None else None, setting)
        for text, value, one, setting in zip(texts, values, known, settings, strict=True)
    ]


def points_of(study: Study, axes: Mapping[str, list[Step]]) -> list[Point]:
    """Return the points in order; the last axis varies fastest. Raises ConditionError."""
    chosen = []
    rest = _kept(study, axes)
    for steps in reversed(list(axes.values())):
        rest, indices = np.divmod(rest, len(steps))
        chosen.append([steps[index] for index in indices])
    chosen.reverse()
    return [
        Point(number, dict(zip(axes, steps, strict=True)))
        for number, steps in enumerate(zip(*chosen, strict=True))
    ]


def count_values(axis: Axis, most: int) -> int:
    """Return the number of values of an axis; a log range of whole numbers may have fewer.

    Raises AxisError for an invalid range, and for a range of more than `most` values.
    """
    if axis.zip is not None:
        return len(next(iter(axis.zip.values())))
    if axis.values is not None:
        return len(axis.values)
    given = axis.range or axis.log_range
    assert given is not None
    count = given.count
    if count is None:
        assert axis.range is not None
        count = count_of(axis.range.from_, axis.range.to, axis.range.step)
    if count > most:
        raise AxisError(f"has {amount(count)} values, more than max_points ({most:,})")
    return count


def amount(count: int) -> str:
    """Return a count as text, of any size."""
    return f"{count:,}" if count < 10**18 else f"{Decimal(count):.2e}"


def _kept(study: Study, axes: Mapping[str, list[Step]]) -> NDArray[np.intp]:
    """Return the numbers of the combinations that remain after `skip` and `only`, in order.

    The number of a combination is its row-major index in the table of all of them.
    """
    table = np.full(math.prod(len(steps) for steps in axes.values()), not study.only)
    for index, condition in enumerate(study.only):
        table |= _met(("only", index), condition, axes)
    for index, condition in enumerate(study.skip):
        met = _met(("skip", index), condition, axes)
        table &= np.logical_not(met, out=met)
    count = int(np.count_nonzero(table))
    where = "skip" if study.skip else "only" if study.only else "axes"
    if count > study.max_points:
        rule = f"leaves {amount(count)} points, more than max_points ({study.max_points:,})"
        raise ConditionError((where,), rule if where != "axes" else rule.replace("leaves", "make"))
    if not count:
        raise ConditionError((where,), "leaves no point")
    return np.flatnonzero(table)


def _met(
    path: KeyPath, condition: Mapping[str, Any], axes: Mapping[str, list[Step]]
) -> NDArray[np.bool_]:
    """Return for each combination whether all entries of a condition hold."""
    lengths = [len(steps) for steps in axes.values()]
    table = np.ones(math.prod(lengths), dtype=bool)
    for position, (name, steps) in enumerate(axes.items()):
        if name in condition:
            holds = _holds((*path, name), condition[name], steps)
            inner = math.prod(lengths[position + 1 :])
            blocks = table.reshape(-1, len(steps), inner)
            blocks &= holds[None, :, None]
    return table


def _values(axis: Axis) -> list[Any]:
    if axis.values is not None:
        return list(axis.values)
    if (given := axis.range) is not None:
        return linear(given.from_, given.to, given.count, given.step)
    assert axis.log_range is not None
    return logarithmic(axis.log_range.from_, axis.log_range.to, axis.log_range.count)


def _holds(path: KeyPath, wanted: Any, steps: list[Step]) -> NDArray[np.bool_]:
    """Return for each step of an axis whether an entry of a condition holds there."""
    holds = np.zeros(len(steps), dtype=bool)
    by_name = _by_name(steps)
    for one in wanted if isinstance(wanted, list) else [wanted]:
        compared = _COMPARISON.match(one) if isinstance(one, str) else None
        if isinstance(one, str) and compared is not None:
            holds |= _compared(path, one, compared[1], one[compared.end() :].strip(), steps)
            continue
        known = by_name.get(_key(one))
        if known is None:
            has = f"(it has {_some(steps, 12)})"
            rule = f"names {show(one)}, which the axis {path[-1]} does not have {has}"
            raise ConditionError(path, rule)
        holds[known] = True
    return holds


def _some(steps: list[Step], count: int) -> str:
    """Return the first labels of an axis, with dots if there are more."""
    labels = [step.label for step in steps[:count]]
    return ", ".join([*labels, "..."] if len(steps) > count else labels)


def _by_name(steps: list[Step]) -> dict[str, list[int]]:
    """Return the indices of the steps with each value or label."""
    indices: dict[str, list[int]] = {}
    for index, step in enumerate(steps):
        for key in {_key(step.value), _key(step.label)}:
            indices.setdefault(key, []).append(index)
    return indices


def _key(value: Any) -> str:
    """Return a text that is the same for equal values: for 1 and 1.0, but not for 1 and true."""
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, sort_keys=True, ensure_ascii=False)


def _compared(
    path: KeyPath, wanted: str, sign: str, text: str, steps: list[Step]
) -> NDArray[np.bool_]:
    limit, first = unit_and_number(_plain(text)), unit_and_number(steps[0].value)
    if steps[0].number is None or limit is None or first is None or limit[0] != first[0]:
        rule = f"compares the axis {path[-1]} with {show(wanted)}; it has {_some(steps, 3)}"
        raise ConditionError(path, rule)
    compare = COMPARISONS[sign]
    return np.array([compare(step.number, limit[1]) for step in steps], dtype=bool)


def _plain(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text

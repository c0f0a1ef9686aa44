"""The schema of a study: a base scenario, axes over its fields, and decisions.

    name: my_uplink
    scenario: quickstart
    axes:
      - {name: uplink, field: topology.star.clients.*.link.up,
         log_range: {from: 1 Mbit/s, to: 100 Mbit/s, count: 40}}
    crossovers: {axis: uplink}

Fields are written as for `--set`; `*` stands for every entry of a list.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cutlayer.scenarios.fields import Count, Section, Share, Text, not_empty, rule, unique
from cutlayer.scenarios.schema import ScenarioName, Seed, Uncertainty
from cutlayer.suggestion import suggestion

Measure = Literal[
    "time", "time_to_target", "bytes", "bytes_to_target", "energy", "accuracy", "additive_time"
]
Bound = Annotated[str | int | float, Field(union_mode="left_to_right")]


RESERVED = ("point", "seed", "label", "method", "status")


def _axis_name(name: str) -> str:
    if name in RESERVED:
        raise rule(f"must be another word: {', '.join(RESERVED)} are columns of every table")
    return name


class Range(Section):
    """Values from one to another, both included, by their count or by a step."""

    from_: Bound = Field(alias="from")
    to: Bound
    count: Annotated[int, Field(strict=True, ge=2)] | None = None
    step: Bound | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.count is None) == (self.step is None):
            raise rule("needs either a count of values or a step between them")
        return self


class LogRange(Section):
    """Values from one to another, both included, with a constant factor between them."""

    from_: Bound = Field(alias="from")
    to: Bound
    count: Annotated[int, Field(strict=True, ge=2)]


class Axis(Section):
    """An axis: the fields that vary, and their values.

    Either `field` (or `fields`, which take the same value) with `values`, a `range` or a `log_range`;
    or `zip`: several fields with a list each, whose first values belong together, and so on.
    """

    name: Annotated[Text, AfterValidator(_axis_name)]
    field: Text | None = None
    fields: Annotated[tuple[Text, ...], not_empty, unique] | None = None
    values: Annotated[tuple[Any, ...], not_empty] | None = None
    range: Range | None = None
    log_range: LogRange | None = None
    zip: Annotated[Mapping[Text, tuple[Any, ...]], not_empty] | None = None
    labels: tuple[Text, ...] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [w for w in (self.values, self.range, self.log_range) if w is not None]
        targets = [t for t in (self.field, self.fields) if t is not None]
        if self.zip is not None:
            if ways or targets:
                raise rule("has zip, which has its own fields and values: leave out the others")
            lengths = {len(column) for column in self.zip.values()}
            if len(lengths) != 1 or 0 in lengths:
                raise rule("needs lists of one length in zip, and at least one value")
        elif len(targets) != 1 or len(ways) != 1:
            raise rule(
                "needs a field (or fields) and one of values, range and log_range; or zip instead"
            )
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that the axis sets."""
        if self.zip is not None:
            return tuple(self.zip)
        return self.fields if self.fields is not None else (self.field or "",)


class Crossovers(Section):
    """Where one method overtakes another along a numeric axis, by bisection.

    `between` lists pairs of labels, by default all. The crossover is located to `tolerance`, a share of
    its value.
    """

    axis: Text
    by: Measure = "time"
    target: Share | None = None
    tolerance: Share = 0.01
    between: Annotated[tuple[tuple[Text, Text], ...], not_empty] | None = None


class Best(Section):
    """The value of an axis with the best measure, for every combination of the other axes."""

    axis: Text
    by: Measure = "time"
    target: Share | None = None


class Sensitivity(Section):
    """Which assumption changes the result most: each in turn is divided and multiplied by `factor`.

    `of` names assumptions (fields of `scale`), by default all.
    """

    by: Measure = "time"
    target: Share | None = None
    factor: Annotated[float, Field(gt=1, le=100, allow_inf_nan=False)] = 2.0
    of: Annotated[tuple[Text, ...], not_empty, unique] | None = None


class Study(Section):
    """A whole study."""

    name: ScenarioName
    description: str = ""
    scenario: Text
    set: Mapping[Text, Any] = Field(default_factory=dict)
    seeds: Annotated[tuple[Seed, ...], not_empty, unique] | None = None
    axes: Annotated[tuple[Axis, ...], not_empty]
    skip: tuple[Mapping[Text, Any], ...] = ()
    only: tuple[Mapping[Text, Any], ...] = ()
    crossovers: Crossovers | None = None
    best: Best | None = None
    sensitivity: Sensitivity | None = None
    uncertainty: Uncertainty | None = None
    max_points: Count = 10_000
    max_combinations: Annotated[int, Field(strict=True, ge=1, le=500_000_000)] = 10_000_000

    @model_validator(mode="after")
    def _names_are_there(self) -> Self:
        names = [axis.name for axis in self.axes]
        if len(set(names)) != len(names):
            raise rule("has two axes with the same name")
        paths = [path for axis in self.axes for path in axis.paths]
        if len(set(paths)) != len(paths):
            raise rule("has two axes that set the same field")
        asked = [s.axis for s in (self.crossovers, self.best) if s is not None]
        asked += [name for condition in (*self.skip, *self.only) for name in condition]
        for name in asked:
            if name not in names:
                raise rule(f"has the unknown axis {name!r}{suggestion(name, names)}")
        return self

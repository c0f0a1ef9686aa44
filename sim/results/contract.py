"""The contract of result files: types, columns and ranges, checked as a file is read.

Checksums detect a file that has changed. These checks detect a file that was edited, with its checksum
deleted, into content that the commands showing results cannot work with.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutlayer.errors import UserError
from cutlayer.sim.results.columns import STUDY_TABLES, Column

Count = Annotated[int, Field(ge=0)]
Figure = Annotated[float, Field(allow_inf_nan=False)]

WITH_AXES: Final = ("points", "crossovers", "best", "pareto")  # a column for each axis


class ContractError(UserError):
    """Content that no run writes."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    @classmethod
    def of(cls, content: Any) -> Self:
        """Return checked content. Raises ContractError with the first problem."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in problem["loc"]) or "the file"
            raise ContractError(f"{place}: {problem['msg']}") from None


class _Times(_Part):
    mean: Figure | None
    p50: Figure | None
    p95: Figure | None


class _Bytes(_Part):
    up: Count
    down: Count
    per_client_round: Figure | None


class _Category(_Part):
    wire_bytes: Count
    payload_bytes: Count


class _Accuracy(_Part):
    final: Figure
    best: Figure


class _Metric(_Part):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str
    title: str
    higher_is_better: bool
    is_share: bool


class _Tokens(_Part):
    count: Count
    wire_bytes_each: Figure | None


class _Ratios(_Part):
    time_x: Figure | None
    bytes_x: Figure | None


class _Staleness(_Part):
    mean: Figure | None
    p50: Figure | None
    p95: Figure | None
    max: Count | None


class _Equality(_Part):
    gini: Figure | None
    jain: Figure | None


class _Contribution(_Part):
    clients: Count
    updates: Count
    share: Figure | None


class _Updates(_Part):
    count: Count
    dropped: Count
    versions: Count
    versions_per_hour: Figure | None
    staleness: _Staleness
    clients: _Equality
    per_device: dict[str, _Contribution]


class _Method(_Part):
    method: str
    rounds: Count
    virtual_time_s: Figure
    round_time_s: _Times
    wire_bytes: _Bytes
    payload_bytes: _Bytes
    traffic: dict[Literal["up", "down"], dict[str, _Category]] | None = None
    accuracy: _Accuracy | None
    training_loss: dict[str, Figure] | None = None
    test_loss: dict[str, Figure] | None = None
    class_accuracy: list[Figure | None] | None = None
    client_accuracy: dict[str, Figure] | None = None
    metric: _Metric | None = None
    tokens: _Tokens | None = None
    metrics: dict[str, _Accuracy | None] = {}
    time_to_target_s: dict[str, Figure | None] = {}
    curve: list[Annotated[list[Figure], Field(min_length=2, max_length=2)]]
    time_to_accuracy_s: dict[str, Figure | None]
    learning_digest: str | None
    weights_digest: str | None
    event_digest: str | None
    additive_round_time_s: Figure | None
    energy_j: Figure | None
    coarse: list[str] = []
    pricing: str | None = None
    ended: str | None = None
    updates: _Updates | None = None
    against: dict[str, _Ratios]


Interval = Annotated[list[Figure], Field(min_length=3, max_length=3)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class _Move(_Part):
    factor: str
    of_: str = Field(alias="of")
    share: Ratio


class _Uncertainty(_Part):
    draws: Count
    interval: Ratio
    methods: dict[str, dict[str, Interval | None]]
    faster: dict[str, dict[str, Ratio]]
    moves: list[_Move]


class _Scenario(_Part):
    name: str
    description: str | None = None


class _Summary(_Part):
    schema_: Literal[1] = Field(alias="schema")
    status: Literal["complete", "stopped", "stalled"]
    scenario: _Scenario
    seed: int
    versions: dict[str, Any]
    methods: dict[str, _Method]
    uncertainty: _Uncertainty | None = None


class _StudyDraws(_Part):
    draws: Count
    interval: Ratio


class _Study(_Part):
    schema_: Literal[1] = Field(alias="schema")
    status: str
    study: str
    points: Count
    cells: Count
    infeasible: Count
    seeds: Annotated[list[int], Field(min_length=1)]
    labels: list[str]
    axes: dict[str, list[str]]
    trainings: dict[str, Count]
    metric: _Metric | None = None
    uncertainty: _StudyDraws | None = None


def check_summary(content: Any) -> None:
    """Check the content of a run's summary.json. Raises ContractError with the first problem."""
    summary = _Summary.of(content)
    for label, method in summary.methods.items():
        if missing := summary.methods.keys() - method.against.keys() - {label}:
            raise ContractError(f"methods.{label}.against has no {min(missing)!r}")
        for target in method.time_to_accuracy_s:
            _figure(target, f"methods.{label}.time_to_accuracy_s")
        for target in method.time_to_target_s:
            _figure(target, f"methods.{label}.time_to_target_s")
        if method.metric is not None and method.metric.name not in method.metrics:
            raise ContractError(f"methods.{label}.metrics has no {method.metric.name!r}")
    if summary.uncertainty is not None:
        drawn = summary.uncertainty.faster
        if unknown := (drawn.keys() | summary.uncertainty.methods.keys()) - summary.methods.keys():
            raise ContractError(f"uncertainty has the unknown method {min(unknown)!r}")
        for label, others in drawn.items():
            if missing := drawn.keys() - others.keys() - {label}:
                raise ContractError(f"uncertainty.faster.{label} has no {min(missing)!r}")


def check_study_summary(content: Any) -> None:
    """Check the content of a study's summary.json. Raises ContractError with the first problem."""
    _Study.of(content)


def check_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    """Check the rows of a run's table. Raises ContractError with the first problem."""
    by_name = {column.name: column for column in columns}
    for number, row in enumerate(rows, start=1):
        _check_present(row, columns)
        for name, value in row.items():
            column = by_name.get(name) or Column(name)
            where = f"row {number}: {name}"
            if value is None:
                if column.need == "filled":
                    raise ContractError(f"{where} is empty")
            elif column.form != "text" and not isinstance(value, int | float):
                raise ContractError(f"{where} is not a number (got {value!r})")
            elif column.form == "count" and (not isinstance(value, int) or value < 0):
                raise ContractError(f"{where} is not a count (got {value!r})")
            elif column.need == "filled" and isinstance(value, float) and not np.isfinite(value):
                raise ContractError(f"{where} is not finite (got {value!r})")


def check_study_rows(
    table: str, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]
) -> None:
    """Check the rows of a study's table. Raises ContractError with the first problem.

    Points, seeds, methods and steps of axes must be those that the summary names.
    """
    known: dict[str, Collection[object]] = {
        "point": range(summary["points"]),
        "seed": summary["seeds"],
        "label": summary["labels"],
        "first": summary["labels"],
        "second": summary["labels"] if table == "crossovers" else (),
    }
    known |= summary["axes"] | {"axis": list(summary["axes"])}
    columns = STUDY_TABLES[table]
    numbers = {column.name for column in columns if column.form == "number"}
    for number, row in enumerate(rows, start=1):
        axes = [
            Column(name, need="required") for name in summary["axes"] if name != row.get("axis")
        ]
        _check_present(row, (*columns, *(axes if table in WITH_AXES else ())))
        for name, value in row.items():
            where = f"row {number}: {name}"
            if known.get(name) and value is not None and value not in known[name]:
                raise ContractError(f"{where} is not one of the study's (got {value!r})")
            if isinstance(value, float) and not np.isfinite(value):
                raise ContractError(f"{where} is not finite (got {value!r})")
            if table == "crossovers" and name == "value" and value is not None:
                _figure(str(value).partition(" ")[0], where)
            if name in numbers and value is not None and not isinstance(value, int | float):
                raise ContractError(f"{where} is not a number (got {value!r})")


def _check_present(row: Mapping[str, Any], columns: Sequence[Column]) -> None:
    for column in columns:
        if column.need != "optional" and column.name not in row:
            raise ContractError(f"it has no column {column.name!r}")


def _figure(text: str, where: str) -> None:
    try:
        float(text)
    except ValueError:
        raise ContractError(f"{where}: {text!r} is not a number") from None

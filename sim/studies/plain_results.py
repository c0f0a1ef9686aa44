"""Convert a method's result to plain data and back, without intervals, links, devices and updates."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Final

from cutlayer.sim.results.curve import figures_by_round, take_outcome
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.tasks.metric import Metric

SCALARS: Final = (
    "learning_digest",
    "weights_digest",
    "event_digest",
    "clients_busy_s",
    "clients_available_s",
    "server_busy_s",
    "server_available_s",
    "diverged_in_round",
    "ended",
    "pricing",
    "stalled",
    "update_summary",
    "tokens",
)
_ROUND: Final = tuple(field.name for field in fields(RoundResult))


def plain(result: MethodResult) -> dict[str, Any]:
    """Return a result as data for JSON, rounds in columns; `restored` is the exact inverse."""
    rows = [asdict(closed) for closed in result.rounds]
    return {
        "schema": 2,
        "method": result.method,
        "client_accuracy": [list(one) for one in result.client_accuracy],
        "coarse": list(result.coarse),
        "metrics": [metric.written() for metric in result.metrics],
        **{name: getattr(result, name) for name in SCALARS},
        "rounds": {name: [row[name] for row in rows] for name in _ROUND},
    }


def restored(
    content: Mapping[str, Any], label: str, seed: int, targets: tuple[float, ...]
) -> MethodResult:
    """Return the result of `plain` data, with the label, seed and targets of a cell."""
    columns = content["rounds"]
    rounds = [
        RoundResult(**dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]
    rounds = [
        r if r.class_accuracy is None else replace(r, class_accuracy=tuple(r.class_accuracy))
        for r in rounds
    ]
    result = MethodResult(
        label, content["method"], seed, targets, rounds=rounds, coarse=tuple(content["coarse"])
    )
    result.metrics = tuple(Metric(**one) for one in content["metrics"])
    for name in SCALARS:
        setattr(result, name, content[name])
    result.client_accuracy = tuple(tuple(one) for one in content["client_accuracy"])
    return result


def attach(result: MethodResult, curve: Mapping[str, Any]) -> None:
    """Add the curve of a training to a result that was only timed and has the same learning digest."""
    assert curve["learning_digest"] == result.learning_digest, "another training's curve"
    figures = figures_by_round(curve)
    result.rounds = [replace(r, **figures.get(r.index, {})) for r in result.rounds]
    take_outcome(result, curve)

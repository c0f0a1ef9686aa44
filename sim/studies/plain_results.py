"""Convert a method's result to plain data and back, without intervals, links, devices and updates."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Final

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult

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
    "stalled",
    "update_summary",
)
_ROUND: Final = tuple(field.name for field in fields(RoundResult))


def plain(result: MethodResult) -> dict[str, Any]:
    """Return a result as data for JSON, rounds in columns; `restored` is the exact inverse."""
    rows = [asdict(closed) for closed in result.rounds]
    return {
        "schema": 1,
        "method": result.method,
        "coarse": list(result.coarse),
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
    result = MethodResult(
        label, content["method"], seed, targets, rounds=rounds, coarse=tuple(content["coarse"])
    )
    for name in SCALARS:
        setattr(result, name, content[name])
    return result


def curve_of(result: MethodResult) -> dict[str, Any]:
    """Return the learning curve: accuracies by round and the digest of the weights, without times."""
    return {
        "schema": 1,
        "learning_digest": result.learning_digest,
        "weights_digest": result.weights_digest,
        "diverged_in_round": result.diverged_in_round,
        "accuracy": [[r.index, r.accuracy] for r in result.rounds if r.accuracy is not None],
    }


def attach(result: MethodResult, curve: Mapping[str, Any]) -> None:
    """Add the curve of a training to a result that was only timed and has the same learning digest."""
    assert curve["learning_digest"] == result.learning_digest, "another training's curve"
    accuracy = dict(curve["accuracy"])
    result.rounds = [replace(r, accuracy=accuracy.get(r.index)) for r in result.rounds]
    result.weights_digest = curve["weights_digest"]
    result.diverged_in_round = curve["diverged_in_round"]

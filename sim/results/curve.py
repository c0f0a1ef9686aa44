"""Learning curves: what a training gives to results that were only timed, as plain data.

Equal learning digests give equal curves, so that one training serves all of them.
"""

from collections.abc import Mapping
from typing import Any

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import TRAINED


def curve_of(result: MethodResult) -> dict[str, Any]:
    """Return the learning curve: the figures of the training by round, without times."""
    return {
        "schema": 2,
        "learning_digest": result.learning_digest,
        "weights_digest": result.weights_digest,
        "diverged_in_round": result.diverged_in_round,
        "client_accuracy": [list(one) for one in result.client_accuracy],
        **{
            name: [[r.index, r.trained[name]] for r in result.rounds if name in r.trained]
            for name in TRAINED
        },
    }


def figures_by_round(curve: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the figures of a curve by round, as fields of RoundResult; some of them may be missing."""
    figures: dict[int, dict[str, Any]] = {}
    for name in TRAINED:
        for index, value in curve.get(name, ()):
            kept = tuple(value) if isinstance(value, list) else value
            figures.setdefault(index, {})[name] = kept
    return figures


def take_outcome(result: MethodResult, curve: Mapping[str, Any]) -> None:
    """Give a result the figures of a curve that are not of a round."""
    result.weights_digest = curve["weights_digest"]
    result.diverged_in_round = curve["diverged_in_round"]
    result.client_accuracy = tuple(tuple(one) for one in curve.get("client_accuracy", ()))

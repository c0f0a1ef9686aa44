"""The figures of a round that come from its training: losses, the learning rate, accuracies."""

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean, pstdev
from typing import Any

from cutlayer.sim.learning.pending import ChainReport, Evaluation, TrainedRound
from cutlayer.sim.results.class_accuracy import class_accuracy


def trained_figures(
    trained: TrainedRound, evaluation: Evaluation | None, personal: Evaluation | None = None
) -> dict[str, Any]:
    """Return fields of RoundResult for a round that is done; none if nothing is trained.

    `personal` is the evaluation of the clients' own models. A loss that is not finite is None.
    """
    if trained.mark is None:
        return {}
    figures: dict[str, Any] = {
        "training_loss": _finite(mean_loss(trained.result())),
        "learning_rate": _mean_rate(trained.rates),
    }
    if evaluation is not None:
        figures["accuracy"] = evaluation.accuracy
        figures["test_loss"] = _finite(evaluation.loss)
        figures["class_accuracy"] = class_accuracy(evaluation.confusion) or None
        own = {} if personal is None else personal_metrics(personal.models)
        figures["metrics"] = {**evaluation.metrics, **own} or None
    return figures


def personal_metrics(models: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean and the spread over clients of each figure of their own models.

    Each client has the same weight. Figures that are not finite are left out.
    """
    found: dict[str, float] = {}
    for name in models[0]:
        values = [of[name] for of in models]
        if all(map(isfinite, values)):
            found |= {
                f"personal_{name}": fmean(values),
                f"personal_{name}_std": pstdev(values),
                f"personal_{name}_min": min(values),
                f"personal_{name}_max": max(values),
            }
    return found


def mean_loss(reports: Sequence[ChainReport]) -> float | None:
    """Return the mean loss over the samples of all chains; None if no chain has a loss."""
    known = [(report.loss, report.samples) for report in reports if report.loss is not None]
    samples = sum(count for _, count in known)
    return sum(loss * count for loss, count in known) / samples if samples else None


def _mean_rate(rates: Sequence[float]) -> float | None:
    """Return the mean learning rate; updates of one window may have different ones."""
    if len(set(rates)) == 1:
        return rates[0]
    return sum(rates) / len(rates) if rates else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None

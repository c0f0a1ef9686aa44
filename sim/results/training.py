"""What the rounds of a method say about its training: entries of summary.json, and records of tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cutlayer.sim.results.class_accuracy import ClassAccuracy, ClientAccuracy, fairness
from cutlayer.sim.results.round import RoundResult


def training_summary(
    rounds: Sequence[RoundResult], clients: Sequence[ClientAccuracy]
) -> dict[str, Any]:
    """Return the losses, and the accuracies of classes and clients in the last evaluation."""
    training = [r.training_loss for r in rounds if r.training_loss is not None]
    test = [r.test_loss for r in rounds if r.test_loss is not None]
    classes = final_class_accuracy(rounds)
    return {
        "training_loss": {"first": training[0], "final": training[-1]} if training else None,
        "test_loss": {"final": test[-1], "best": min(test)} if test else None,
        "class_accuracy": None if classes is None else list(classes),
        "client_accuracy": fairness(clients),
    }


def final_class_accuracy(rounds: Sequence[RoundResult]) -> ClassAccuracy | None:
    """Return the accuracy of each class in the last evaluation; None without one."""
    known = (r.class_accuracy for r in reversed(rounds))
    return next((classes for classes in known if classes is not None), None)


class Trained(Protocol):
    """The part of a method's result that tables of its training show."""

    rounds: list[RoundResult]
    client_accuracy: tuple[ClientAccuracy, ...]
    client_names: Sequence[str]
    confusion: tuple[tuple[int, ...], ...] | None


def training_records(result: Trained) -> Mapping[str, Sequence[Any]]:
    """Return the records of the tables accuracy, classes, clients and confusion.

    Without names of clients, as in the cells of a study, there are no records of clients.
    """
    names, clients = result.client_names, result.client_accuracy
    return {
        "accuracy": [(closed, *figure) for closed in result.rounds for figure in closed.evaluated],
        "classes": _classes(result.rounds),
        "clients": [(names[i], samples, accuracy) for i, samples, accuracy in clients if names],
        "confusion": [
            (label, predicted, samples)
            for label, row in enumerate(result.confusion or ())
            for predicted, samples in enumerate(row)
        ],
    }


def _classes(rounds: Sequence[RoundResult]) -> list[Mapping[str, Any]]:
    """Return a record for each class: its accuracy in the last evaluation and in the best one."""
    evaluated = [r for r in rounds if r.class_accuracy is not None]
    if not evaluated:
        return []
    best = max(evaluated, key=lambda r: r.accuracy or 0.0)
    pairs = zip(evaluated[-1].class_accuracy or (), best.class_accuracy or (), strict=True)
    return [
        {"class": n, "final": final, "best": of_best} for n, (final, of_best) in enumerate(pairs)
    ]

"""Accuracy by class and by client, from the counts of a confusion matrix.

A client's accuracy is the mean of the test accuracies of the classes, weighted by the shares of the
classes in its training samples. All clients use the same model, and test samples belong to no client.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

ClassAccuracy = tuple[float | None, ...]
ClientAccuracy = tuple[int, int, float]  # the client's index, its samples, its accuracy
WORST = 0.1  # the share of the clients in the worst decile


def class_accuracy(confusion: Sequence[Sequence[int]]) -> ClassAccuracy:
    """Return the share of right answers for each class (recall); None for one without test samples.

    `confusion[label][predicted]` counts test samples.
    """
    return tuple(row[label] / sum(row) if any(row) else None for label, row in enumerate(confusion))


def client_accuracy(
    classes: ClassAccuracy, counts: NDArray[np.int64]
) -> tuple[ClientAccuracy, ...]:
    """Return the accuracy of each client that holds samples; `counts` is [clients, classes].

    Classes without test samples do not count; a client that holds only such classes is left out.
    """
    known = np.array([value is not None for value in classes])
    values = np.array([value or 0.0 for value in classes])
    held = counts.sum(axis=1)
    tested = counts[:, known].sum(axis=1)
    right = counts[:, known] @ values[known]
    return tuple(
        (int(client), int(held[client]), float(right[client] / tested[client]))
        for client in np.flatnonzero(tested)
    )


def fairness(clients: Sequence[ClientAccuracy]) -> dict[str, float] | None:
    """Return how accuracy is spread over the clients, each with the same weight; None without one.

    `worst_decile` is the mean of the tenth of the clients with the lowest accuracy, at least of one;
    `std` is the standard deviation over all clients.
    """
    if not clients:
        return None
    values = np.sort([accuracy for _, _, accuracy in clients])
    worst = values[: ceil(WORST * len(values))]
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "worst_decile": float(worst.mean()),
        "min": float(values[0]),
        "max": float(values[-1]),
    }

"""Accuracies of classes and clients, and how they are spread."""

import numpy as np
import pytest
import torch

from cutlayer.sim.data.label_counts import label_counts
from cutlayer.sim.data.partition import Sizes, partition
from cutlayer.sim.results.class_accuracy import class_accuracy, client_accuracy, fairness


def test_the_accuracy_of_a_class_is_the_share_of_its_samples_that_are_right() -> None:
    confusion = ((3, 1, 0), (0, 0, 0), (5, 0, 5))
    assert class_accuracy(confusion) == (0.75, None, 0.5)


def test_a_client_has_the_accuracies_of_its_labels() -> None:
    counts = np.array([[4, 0, 0], [1, 0, 3], [2, 2, 0], [0, 5, 0], [0, 0, 0]])
    found = client_accuracy((0.8, None, 0.4), counts)
    assert found == (
        (0, 4, pytest.approx(0.8)),
        (1, 4, pytest.approx((0.8 + 3 * 0.4) / 4)),
        (2, 4, pytest.approx(0.8)),  # of the class without test samples nothing is known
    )


def test_clients_that_hold_all_samples_have_the_accuracy_of_the_model() -> None:
    """If training and test samples have the same labels, the clients' mean is the test accuracy."""
    classes, tested = (0.9, 0.5, 0.1), np.array([2, 1, 1])
    (only,) = client_accuracy(classes, tested[np.newaxis])
    assert only[2] == pytest.approx((2 * 0.9 + 0.5 + 0.1) / 4)


@pytest.mark.parametrize(("clients", "worst"), [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_the_worst_decile_is_the_mean_of_a_tenth_of_the_clients(clients: int, worst: int) -> None:
    values = np.linspace(0.9, 0.1, clients)
    found = fairness([(i, 5, float(value)) for i, value in enumerate(values)])
    assert found == {
        "mean": pytest.approx(values.mean()),
        "std": pytest.approx(values.std()),
        "worst_decile": pytest.approx(values[-worst:].mean()),
        "min": pytest.approx(values.min()),
        "max": pytest.approx(values.max()),
    }
    assert fairness([]) is None


def test_labels_are_counted_by_client() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 2]).numpy()
    held = partition((3, 3, 4), 3, Sizes((2, 3, 4)), seed=1)
    found = label_counts(held, labels, 3)
    assert found.sum(axis=1).tolist() == [2, 3, 4]
    order = held.order(labels)
    assert found[0].tolist() == [list(labels[order[:2]]).count(label) for label in range(3)]
    assert found[2].tolist() == [list(labels[order[5:]]).count(label) for label in range(3)]

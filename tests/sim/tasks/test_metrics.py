"""Metrics against closed forms and slow twins."""

from math import exp, isnan, log, sqrt

import numpy as np
import pytest

from cutlayer.sim.tasks import classification, language_model, regression
from cutlayer.sim.tasks.metric import METRICS, Metric
from cutlayer.sim.tasks.task import balanced_weights

# Label 0: 6 right, 2 as 1. Label 1: 3 right, 1 as 0. Label 2: one, as 1. Label 3: none, once predicted.
CONFUSION = ((6, 2, 0, 0), (1, 3, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0))


def test_metrics_of_a_confusion_matrix_by_hand() -> None:
    f1 = (2 * 6 / (8 + 7), 2 * 3 / (4 + 6), 0.0)
    assert classification.accuracy(CONFUSION) == pytest.approx(9 / 13)
    assert classification.balanced_accuracy(CONFUSION) == pytest.approx((6 / 8 + 3 / 4 + 0) / 3)
    assert classification.macro_f1(CONFUSION) == pytest.approx(sum(f1) / 3)
    assert classification.weighted_f1(CONFUSION) == pytest.approx((8 * f1[0] + 4 * f1[1]) / 13)


def slow_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """The definition: pairs of a class and the rest that the class's probability orders correctly."""
    areas = []
    for label in range(scores.shape[1]):
        own = [exp(row[label]) / sum(map(exp, row)) for row in scores]
        pairs = [
            1.0 if a > b else 0.5 if a == b else 0.0
            for a, of_a in zip(own, labels, strict=True)
            for b, of_b in zip(own, labels, strict=True)
            if of_a == label != of_b
        ]
        if pairs:
            areas.append(sum(pairs) / len(pairs))
    return sum(areas) / len(areas)


def test_the_area_under_the_curve_counts_pairs() -> None:
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 3, 40)  # class 3 has no sample
    scores = draw.standard_normal((40, 4))
    scores[np.arange(20), labels[:20]] += 1
    scores[20:30] = scores[:10]  # ties, also of different classes
    expected = slow_auroc(scores, labels)
    assert classification.auroc(scores, labels) == pytest.approx(expected, rel=1e-12)
    assert 0.5 < expected < 0.95
    order = draw.permutation(40)
    assert classification.auroc(scores[order], labels[order]) == classification.auroc(
        scores, labels
    )
    assert classification.auroc(np.eye(4)[labels], labels) == 1.0
    assert classification.auroc(np.zeros((40, 4)), labels) == 0.5
    assert isnan(classification.auroc(scores[:, :1], np.zeros(40, int)))
    far = np.array([[1e3, 0.0], [-1e3, 0.0]])  # too large to be exponentiated
    assert classification.auroc(far, np.array([0, 1])) == 1.0


def test_metrics_of_numbers_by_hand() -> None:
    outputs, targets = np.array([[1.0, 0], [2, 0], [3, 3]]), np.array([[1.0, 5], [2, 5], [6, 5]])
    assert regression.mae(outputs, targets) == pytest.approx((3 + 5 + 5 + 2) / 6)
    assert regression.rmse(outputs, targets) == pytest.approx(sqrt((9 + 25 + 25 + 4) / 6))
    # The second value is constant and does not count; the first deviates from its mean 3 by 2, 1 and 3.
    assert regression.r2(outputs, targets) == pytest.approx(1 - 9 / 14)
    assert regression.r2(targets, targets) == 1.0
    assert regression.r2(np.full_like(targets, 3.0), targets) == pytest.approx(0.0)
    assert isnan(regression.r2(outputs, np.ones((3, 2))))


def test_perplexity_of_equal_guesses_is_their_number() -> None:
    assert language_model.perplexity(12 * log(7), 12) == pytest.approx(7)
    assert language_model.perplexity(1e6, 1) == float("inf")


def test_balanced_weights_give_each_class_the_same_total() -> None:
    counts = (30, 10, 0, 60)
    weights = balanced_weights(counts)
    assert weights[2] == 0
    totals = [w * n for w, n in zip(weights, counts, strict=True) if n]
    assert totals == pytest.approx([100 / 3] * 3)


def test_better_is_higher_or_lower() -> None:
    high, low = Metric("high", "high"), METRICS["regression"]["mae"]
    assert high.reaches(0.5, 0.5)
    assert low.reaches(0.5, 0.5)
    assert (high.reaches(0.4, 0.5), low.reaches(0.4, 0.5)) == (False, True)
    assert (high.best([1, 3, 2]), low.best([1, 3, 2]), low.best([])) == (3, 1, None)
    assert high.gains(1.2, 1.0, 0.1)
    assert not high.gains(1.05, 1.0, 0.1)
    assert low.gains(0.8, 1.0, 0.1)
    assert not low.gains(0.95, 1.0, 0.1)
    assert low.gains(9.0, None, 0.1)

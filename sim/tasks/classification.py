"""Metrics of a classification, from its confusion matrix or from the scores of all test samples.

`confusion[label][predicted]` counts test samples. A class without test samples does not count in a mean
over the classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Confusion = Sequence[Sequence[int]]


def accuracy(confusion: Confusion) -> float:
    """Return the share of right predictions."""
    return sum(row[label] for label, row in enumerate(confusion)) / sum(map(sum, confusion))


def balanced_accuracy(confusion: Confusion) -> float:
    """Return the mean recall of the classes (Brodersen et al., ICPR 2010)."""
    recalls = [row[label] / sum(row) for label, row in enumerate(confusion) if sum(row)]
    return sum(recalls) / len(recalls)


def macro_f1(confusion: Confusion) -> float:
    """Return the mean of the classes' F1 = 2 TP / (2 TP + FP + FN) (Opitz and Burst, 2019)."""
    each = [f1 for f1, samples in _f1(confusion) if samples]
    return sum(each) / len(each)


def weighted_f1(confusion: Confusion) -> float:
    """Return the mean of the classes' F1, weighted by their test samples."""
    each = _f1(confusion)
    return sum(f1 * samples for f1, samples in each) / sum(samples for _, samples in each)


def _f1(confusion: Confusion) -> list[tuple[float, int]]:
    """Return the F1 and the test samples of each class; F1 is 0 without a right prediction."""
    predicted = [sum(column) for column in zip(*confusion, strict=True)]
    return [
        (2 * row[label] / (sum(row) + predicted[label]) if row[label] else 0.0, sum(row))
        for label, row in enumerate(confusion)
    ]


def auroc(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean area under the ROC curve of each class against the rest; NaN without any.

    `scores` are [samples, classes]. A class's area is the share of pairs of one of its samples and
    another one that its probability (softmax) orders correctly; ties count half (Hanley and McNeil,
    Radiology 1982). All test samples are compared. Classes without samples, or with all of them, have no
    area.
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    areas = []
    for label in range(scores.shape[1]):
        own = labels == label
        positives, negatives = int(own.sum()), int((~own).sum())
        if positives and negatives:
            below = _mid_ranks(probabilities[:, label])[own].sum()
            areas.append((below - positives * (positives + 1) / 2) / (positives * negatives))
    return float(np.mean(areas)) if areas else float("nan")


def _mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value from 1, the mean rank for equal ones."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse.reshape(-1)]
    return ranks

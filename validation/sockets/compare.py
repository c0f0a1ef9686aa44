"""Measured and predicted ends of a case, and how far they are apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean, median

import measured
import predicted
from cases import Case


@dataclass(frozen=True)
class Comparison:
    """A case's transfers: medians of the measured ends, and the predicted ones, in seconds."""

    case: Case
    queue: str
    measured_s: tuple[float, ...]
    predicted_s: tuple[float, ...]

    @property
    def errors(self) -> list[float]:
        """Predicted over measured, less 1, of each transfer."""
        return [p / m - 1 for m, p in zip(self.measured_s, self.predicted_s, strict=True)]

    @property
    def last_error(self) -> float:
        """The same of the last end of all, after the first start."""
        starts = [transfer.start for transfer in self.case.transfers]
        last = [
            max(start + end for start, end in zip(starts, ends, strict=True))
            for ends in (self.measured_s, self.predicted_s)
        ]
        return last[1] / last[0] - 1


def compare(case: Case, queue: str, runs: Iterable[list[float]]) -> Comparison:
    """Compare a case with several runs of it."""
    middle = tuple(median(ends) for ends in zip(*runs, strict=True))
    return Comparison(case, queue, middle, tuple(predicted.ends(case)))


def measure(case: Case, queue: str, repeats: int) -> Comparison:
    """Run a case so often and compare."""
    return compare(case, queue, [measured.ends(case, fair=queue == "fair") for _ in range(repeats)])


def mean_error(comparisons: Iterable[Comparison]) -> float:
    """Return the mean size of the error over all transfers."""
    return mean(abs(error) for comparison in comparisons for error in comparison.errors)


def mean_last_error(comparisons: Iterable[Comparison]) -> float:
    """Return the mean size of the error of the last ends."""
    return mean(abs(comparison.last_error) for comparison in comparisons)

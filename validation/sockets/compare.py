"""Compare the measured and predicted end times of a case."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean, median

import measured
import predicted
from cases import Case


@dataclass(frozen=True)
class Comparison:
    """The transfers of a case: medians of the measured end times, and predicted ones, in seconds."""

    case: Case
    queue: str
    measured_s: tuple[float, ...]
    predicted_s: tuple[float, ...]

    @property
    def errors(self) -> list[float]:
        """Return (predicted - measured) / measured for each transfer."""
        return [p / m - 1 for m, p in zip(self.measured_s, self.predicted_s, strict=True)]

    @property
    def last_error(self) -> float:
        """Return the same for the time from the first start to the last end."""
        starts = [transfer.start for transfer in self.case.transfers]
        last = [
            max(start + end for start, end in zip(starts, ends, strict=True))
            for ends in (self.measured_s, self.predicted_s)
        ]
        return last[1] / last[0] - 1


def compare(case: Case, queue: str, runs: Iterable[list[float]]) -> Comparison:
    """Compare the prediction of a case with several runs of it."""
    middle = tuple(median(ends) for ends in zip(*runs, strict=True))
    return Comparison(case, queue, middle, tuple(predicted.ends(case)))


def measure(case: Case, queue: str, repeats: int) -> Comparison:
    """Run a case `repeats` times and compare."""
    return compare(case, queue, [measured.ends(case, fair=queue == "fair") for _ in range(repeats)])


def mean_error(comparisons: Iterable[Comparison]) -> float:
    """Return the mean absolute error over all transfers."""
    return mean(abs(error) for comparison in comparisons for error in comparison.errors)


def mean_last_error(comparisons: Iterable[Comparison]) -> float:
    """Return the mean absolute error of the last end times."""
    return mean(abs(comparison.last_error) for comparison in comparisons)

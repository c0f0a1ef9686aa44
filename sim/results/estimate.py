"""Means and confidence intervals over several seeds of one scenario."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cutlayer.sim.results.method import MethodResult, RunResult

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and the half width of its 95 % interval (None for a single value)."""

    mean: float
    half_width: float | None
    count: int


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """Return mean and 95 % t-interval of the values that are not None; None if all are."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if len(known) == 0:
        return None
    if len(known) == 1 or (known == known[0]).all():
        return Estimate(float(known[0]), None if len(known) == 1 else 0.0, len(known))
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2))  # of Student's t
    half_width = quantile * float(known.std(ddof=1)) / float(np.sqrt(len(known)))
    return Estimate(float(known.mean()), half_width, len(known))


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean over seeds that charts and pages show, None without values."""
    found = estimate(values)
    return None if found is None else found.mean


def estimate_of_all(values: Iterable[object]) -> Estimate | None:
    """Return the estimate if every value is there: a time that one seed never reached has no mean."""
    listed = [value if isinstance(value, int | float) else None for value in values]
    return None if None in listed else estimate(listed)


def mean_of_all(values: Iterable[object]) -> float | None:
    """Return the mean if every value is there and there is one, else None."""
    found = estimate_of_all(values)
    return None if found is None else found.mean


def as_runs(result: RunResult | Sequence[RunResult]) -> list[RunResult]:
    """Return one run, or several seeds of one scenario, as a list. Raises ValueError if it is empty."""
    runs = [result] if isinstance(result, RunResult) else list(result)
    if not runs:
        raise ValueError("there is no run to show: the list of results is empty")
    return runs


def by_label(runs: Sequence[RunResult]) -> dict[str, list[MethodResult]]:
    """Return each label's results over the seeds, labels in order of appearance.

    Methods without a closed round are left out.
    """
    results: dict[str, list[MethodResult]] = {}
    for run in runs:
        for label, method in run.methods.items():
            if method.rounds:
                results.setdefault(label, []).append(method)
    return results


def scenario_name(runs: Sequence[RunResult]) -> str:
    """Return the scenario's name and the seeds, as a heading."""
    name = str(runs[0].scenario.get("name", "scenario"))
    seeds = [str(run.seed) for run in runs]
    if len(seeds) == 1:
        return f"{name}, seed {seeds[0]}"
    return f"{name}, seeds {', '.join(seeds)}" if len(seeds) <= 8 else f"{name}, {len(seeds)} seeds"

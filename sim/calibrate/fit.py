"""Fit the form of `cutlayer.topologies.layer_time` to observations.

The unknowns are a rate for each observed class of operations and pass, the bandwidths, and the overhead
of a layer. The fit minimises squares of relative errors. All unknowns are fitted as logarithms, with a
prior for each (see `cutlayer.sim.calibrate.prior`) and within bounds. A figure that the times do not
determine stays near its prior and is listed in `Fit.undetermined`. The loss on times is soft, so that
moments in which the machine was busy otherwise do not distort the fit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from cutlayer.models.features import OP_CLASSES, PASSES, Pass
from cutlayer.sim.calibrate.law import Floats, Law
from cutlayer.sim.calibrate.observations import Observation, StepObservation
from cutlayer.sim.calibrate.prior import MARGIN, Prior, around, of_law
from cutlayer.sim.calibrate.solve import Solution, solve
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.layer_time import OVERHEAD, PassRates
from cutlayer.topologies.spreads import SPREADS

STEP_FIGURES: Final = ("optimizer_overhead", "optimizer_bandwidth")


@dataclass(frozen=True)
class Fit:
    """A fitted profile, with the mean relative errors of blocks and of whole passes on the probes.

    `undetermined` names the figures that the times did not determine as a profile file does, with the
    passes concerned for figures that have one for each.
    """

    profile: DeviceProfile
    block_error: float
    pass_error: float
    undetermined: dict[str, tuple[Pass, ...]]


def fit(
    name: str,
    observations: Sequence[Observation],
    steps: Sequence[StepObservation],
    *,
    rest_s: Sequence[float],
    loader_s_per_sample: float,
    memory_bytes: int | None,
    description: str,
    source: str,
) -> Fit:
    """Fit a profile; `rest_s` are the seconds of iterations outside their passes."""
    law, _, found = fitted_law(observations)
    seconds = np.array([seen.seconds for seen in observations])
    whole = np.array([seen.whole for seen in observations])
    off = np.abs(law.seconds(found.logs) / seconds - 1)
    figures = dict(zip(law.figures, map(math.exp, found.logs), strict=True))
    step = _solved_steps(steps)
    per_tensor, optimizer = (math.exp(log) for log in step.logs)
    undetermined: dict[str, tuple[Pass, ...]] = {}
    names = zip(law.figures + STEP_FIGURES, found.determined + step.determined, strict=True)
    for figure, determined in names:
        if not determined:
            name, pass_ = split_pass(figure)
            undetermined[name] = undetermined.get(name, ()) + ((pass_,) if pass_ else ())
    profile = DeviceProfile(
        name=name,
        description=description,
        rates=_tables(figures),
        memory_bandwidth_bytes_per_s=figures["memory_bandwidth"],
        optimizer_bytes_per_s=optimizer,
        layer_overhead_s=figures[OVERHEAD],
        iteration_overhead_s=median(rest_s),
        loader_s_per_iteration=0.0,
        memory_bytes=memory_bytes,
        sources=(source,),
        weight_bytes_per_s=figures["weight_bandwidth"],
        weight_stream_bytes_per_s=_by_pass(figures, "weight_stream"),
        column_bytes_per_s=_by_pass(figures, "columns"),
        optimizer_overhead_s=per_tensor,
        loader_s_per_sample=loader_s_per_sample,
        covariance=_covariance(law.figures, found, step),
    )
    return Fit(
        profile=profile,
        block_error=float(off[~whole].mean()),
        pass_error=float(off[whole].mean()),
        undetermined=undetermined,
    )


def fitted_law(observations: Sequence[Observation]) -> tuple[Law, Prior, Solution]:
    """Return the law of the observations, the prior of its figures, and the fitted figures."""
    law = Law.of(observations)
    seconds = np.array([seen.seconds for seen in observations])
    scale = np.array([seen.scale for seen in observations])
    whole = np.array([seen.whole for seen in observations])
    prior = of_law(law, seconds, whole)
    return law, prior, solve(law, seconds, scale, prior)


def split_pass(figure: str) -> tuple[str, Pass | None]:
    """Return the name of a figure without its pass, and the pass if it has one."""
    for pass_ in PASSES:
        if figure.endswith(f".{pass_}"):
            return figure.removesuffix(f".{pass_}"), pass_
    return figure, None


def _tables(figures: Mapping[str, float]) -> dict[str, PassRates]:
    classes = [name for name in OP_CLASSES if f"rates.{name}.forward" in figures]
    return {name: PassRates(*(figures[f"rates.{name}.{p}"] for p in PASSES)) for name in classes}


def _by_pass(figures: Mapping[str, float], name: str) -> PassRates | None:
    if f"{name}.forward" not in figures:
        return None
    return PassRates(*(figures[f"{name}.{pass_}"] for pass_ in PASSES))


class _Steps:
    """The time of an optimizer step: an overhead per tensor, and the traffic at a bandwidth."""

    def __init__(self, steps: Sequence[StepObservation]) -> None:
        self.tensors = np.array([step.tensors for step in steps], dtype=np.float64)
        self.traffic = np.array([step.traffic_bytes for step in steps], dtype=np.float64)

    def seconds(self, logs: Floats) -> Floats:
        overhead, bandwidth = np.exp(logs)
        return np.asarray(self.tensors * overhead + self.traffic / bandwidth)

    def derivatives(self, logs: Floats) -> Floats:
        overhead, bandwidth = np.exp(logs)
        return np.column_stack([self.tensors * overhead, -self.traffic / bandwidth])


def _solved_steps(steps: Sequence[StepObservation]) -> Solution:
    """Return the logarithms of an optimizer step's seconds per tensor and bytes/s."""
    law = _Steps(steps)
    seconds = np.array([step.seconds for step in steps])
    least = float(np.min(seconds / law.tensors)) / MARGIN
    most = float(np.max(law.traffic / seconds)) * MARGIN
    return solve(law, seconds, seconds, around([least, most]))


def _covariance(figures: Sequence[str], layers: Solution, steps: Solution) -> Covariance:
    """Return the covariance of the fitted figures, and the variances of those that were timed.

    A figure that the times do not determine is known as well as a guess: its prior is so wide only to
    have no effect on the fit.
    """
    timed = dict.fromkeys(("iteration_overhead", "loader_per_sample"), SPREADS["measured"])
    names = (*figures, *STEP_FIGURES, *timed)
    matrix = np.diag([0.0] * (len(names) - len(timed)) + [one**2 for one in timed.values()])
    first = len(figures)
    matrix[:first, :first] = layers.covariance
    matrix[first : first + len(STEP_FIGURES), first : first + len(STEP_FIGURES)] = steps.covariance
    least = np.minimum(1, SPREADS["guess"] / np.sqrt(matrix.diagonal()))
    return Covariance.of(names, matrix * np.outer(least, least))

"""Fit the roofline (`cutlayer.topologies.device`) to observations, by least squares of relative errors.

The unknowns are a rate for each observed class of operations, pass and map size, the two bandwidths, and
the overhead of a layer. All are fitted as logarithms, with a prior for each (see
`cutlayer.sim.calibrate.prior`) and within bounds. A figure that the times do not determine stays at its
prior, given the other figures, and is listed in `Fit.undetermined`. The loss on times is soft, so that
moments in which the machine was busy otherwise do not distort the fit.

The maximum in the roofline creates a local minimum for each assignment of compute-bound and memory-bound
layers. The fit therefore starts from a smooth function, sharpens it in steps (`SHARPNESS`), and follows
the minimum: the one in which it ends does not depend on the rounding of sums. One choice remains:
whether memory limits anything at all. If arithmetic alone explains the times as well, the bandwidth is
left at its prior.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from cutlayer.sim.calibrate.observations import Observation, StepObservation
from cutlayer.sim.calibrate.prior import MARGIN, Prior, around, of_roofline
from cutlayer.sim.calibrate.roofline import Floats, RateKey, Roofline
from cutlayer.sim.calibrate.solve import Solution, solve
from cutlayer.sim.compute.roofline import Pass
from cutlayer.topologies.device import PASSES, DeviceProfile, RateTable

SHARPNESS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0, math.inf)
# Names as in a profile file, in the order of the fit.
SHARED_FIGURES: Final = ("memory_bandwidth", "weight_bandwidth", "layer_overhead")
STEP_FIGURES: Final = ("optimizer_overhead", "optimizer_bandwidth")


@dataclass(frozen=True)
class Fit:
    """A fitted profile, with the mean relative errors of blocks and of whole passes on the probes.

    `undetermined` names the figures that the times did not determine as a profile file does; for a
    class of operations (`rates.norm`), with the passes and map sizes concerned.
    """

    profile: DeviceProfile
    block_error: float
    pass_error: float
    undetermined: dict[str, tuple[tuple[Pass, int], ...]]


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
    roofline, _, found = fitted_roofline(observations)
    seconds = np.array([seen.seconds for seen in observations])
    whole = np.array([seen.whole for seen in observations])
    off = np.abs(roofline.seconds(found.logs) / seconds - 1)
    figures = [math.exp(log) for log in found.logs]
    rates = len(roofline.keys)
    memory, weights, overhead = figures[rates:]
    per_tensor, optimizer, steps_determined = _step_figures(steps)
    undetermined: dict[str, list[tuple[Pass, int]]] = defaultdict(list)
    for (op_class, pass_, size), determined in zip(
        roofline.keys, found.determined[:rates], strict=True
    ):
        if not determined:
            undetermined[f"rates.{op_class}"].append((pass_, size))
    shared = zip(
        SHARED_FIGURES + STEP_FIGURES, found.determined[rates:] + steps_determined, strict=True
    )
    undetermined |= {figure: [] for figure, determined in shared if not determined}
    profile = DeviceProfile(
        name=name,
        description=description,
        rates=_tables(roofline.keys, figures),
        memory_bandwidth_bytes_per_s=memory,
        optimizer_bytes_per_s=optimizer,
        layer_overhead_s=overhead,
        iteration_overhead_s=median(rest_s),
        loader_s_per_iteration=0.0,
        memory_bytes=memory_bytes,
        sources=(source,),
        weight_bytes_per_s=weights,
        optimizer_overhead_s=per_tensor,
        loader_s_per_sample=loader_s_per_sample,
    )
    return Fit(
        profile=profile,
        block_error=float(off[~whole].mean()),
        pass_error=float(off[whole].mean()),
        undetermined={figure: tuple(rates) for figure, rates in undetermined.items()},
    )


def fitted_roofline(observations: Sequence[Observation]) -> tuple[Roofline, Prior, Solution]:
    """Return the roofline of the observations, the prior of its figures, and the fitted figures."""
    roofline = Roofline.of(observations)
    seconds = np.array([seen.seconds for seen in observations])
    scale = np.array([seen.scale for seen in observations])
    whole = np.array([seen.whole for seen in observations])
    prior = of_roofline(roofline, seconds, whole)
    memory = len(roofline.keys)
    found = solve(roofline, seconds, scale, prior, sharpness=SHARPNESS, spare=memory)
    return roofline, prior, found


def _tables(keys: Sequence[RateKey], figures: Sequence[float]) -> dict[str, RateTable]:
    rates: dict[str, dict[Pass, dict[int, float]]] = defaultdict(lambda: {p: {} for p in PASSES})
    for (op_class, pass_, size), rate in zip(keys, figures, strict=False):
        rates[op_class][pass_][size] = rate
    return {op_class: RateTable(by["forward"], by["backward"]) for op_class, by in rates.items()}


class _Steps:
    """The time of an optimizer step: an overhead per tensor, and the traffic at a bandwidth."""

    def __init__(self, steps: Sequence[StepObservation]) -> None:
        self.tensors = np.array([step.tensors for step in steps], dtype=np.float64)
        self.traffic = np.array([step.traffic_bytes for step in steps], dtype=np.float64)

    def seconds(self, logs: Floats, sharpness: float = math.inf) -> Floats:  # noqa: ARG002
        overhead, bandwidth = np.exp(logs)
        return np.asarray(self.tensors * overhead + self.traffic / bandwidth)

    def derivatives(self, logs: Floats, sharpness: float = math.inf) -> Floats:  # noqa: ARG002
        overhead, bandwidth = np.exp(logs)
        return np.column_stack([self.tensors * overhead, -self.traffic / bandwidth])


def _step_figures(steps: Sequence[StepObservation]) -> tuple[float, float, tuple[bool, ...]]:
    """Return an optimizer step's seconds per tensor and bytes/s, and whether each is determined."""
    law = _Steps(steps)
    seconds = np.array([step.seconds for step in steps])
    least = float(np.min(seconds / law.tensors)) / MARGIN
    most = float(np.max(law.traffic / seconds)) * MARGIN
    found = solve(law, seconds, seconds, around([least, most]))
    overhead, bandwidth = (math.exp(log) for log in found.logs)
    return overhead, bandwidth, found.determined

"""The roofline of `topologies.device`, fitted to observations by least squares of relative errors.

The unknowns: a rate for each class of operations, pass and map size that was seen, the two bandwidths,
and the overhead of a layer. With a sum in place of the roofline's maximum, times are linear in the
figures' inverses, and one minimum is found by non-negative least squares; from there, the roofline
itself is fitted in logarithms. (From anywhere else it ends in minima of its own, several times worse.)
The loss is soft, so that a moment in which the machine did something else does not bend the fit.
Neighbouring map sizes of a class are drawn together, weakly.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sim.calibrate.observations import Observation, StepObservation
from sim.compute import Pass, layer_flops, layer_traffic
from topologies.device import PASSES, DeviceProfile, RateTable

MAPS: Final = (2, 4, 8, 16, 32)
BY_MAP: Final = ("conv", "conv_wide", "pointwise", "depthwise", "norm", "pool")
NEIGHBOURS: Final = 0.05  # how strongly the logarithms of neighbouring rates are drawn together
SOFT: Final = 0.1  # relative error from which an observation counts less
UNBOUND: Final = 1e13  # a rate or bandwidth beyond this was never what bound a layer
SHORTEST_OVERHEAD: Final = 1e-7  # seconds
ROUNDS_OF_WEIGHTS: Final = 15

RateKey = tuple[str, Pass, int]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A fitted profile, and the mean relative error of its blocks and whole passes on the probes."""

    profile: DeviceProfile
    block_error: float
    pass_error: float


def nearest_map(op_class: str, map_size: int) -> int:
    """Return the map size under which the rate of a layer is kept."""
    if op_class not in BY_MAP:
        return 1
    return min(MAPS, key=lambda size: abs(math.log2(size / max(map_size, 1))))


class _Roofline:
    """The layers of all observations in columns, so that one evaluation is a few array operations."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self.keys: list[RateKey] = []
        places: dict[RateKey, int] = {}
        rows: list[tuple[int, int, float, float, float]] = []
        for number, seen in enumerate(observations):
            for layer in seen.layers:
                flops = layer_flops(layer, seen.pass_) * seen.batch_size
                if flops == 0:
                    continue
                size = nearest_map(layer.op_class, layer.map_size)
                key: RateKey = (layer.op_class, seen.pass_, size)
                if key not in places:
                    places[key] = len(self.keys)
                    self.keys.append(key)
                traffic = layer_traffic(layer, seen.pass_, seen.batch_size)
                rows.append((number, places[key], flops, *traffic))
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        self.owner, self.key = columns[0].astype(int), columns[1].astype(int)
        self.flops, self.moved, self.weights = columns[2:]
        self.count = len(observations)

    def seconds(self, logs: Floats) -> Floats:
        """Return the time of every observation under the figures whose logarithms are given."""
        rates = np.exp(logs[: len(self.keys)])
        memory, weights, overhead = np.exp(logs[len(self.keys) :])
        bound = np.maximum(self.flops / rates[self.key], self.moved / memory)
        layers = overhead + bound + self.weights / weights
        return np.bincount(self.owner, weights=layers, minlength=self.count).astype(np.float64)

    def added_up(self) -> Floats:
        """Return the matrix that turns the figures' inverses into times, were the maximum a sum."""
        matrix = np.zeros((self.count, len(self.keys) + 3))
        np.add.at(matrix, (self.owner, self.key), self.flops)
        columns = (self.moved, self.weights, np.ones_like(self.flops))
        for number, column in enumerate(columns, start=len(self.keys)):
            np.add.at(matrix, (self.owner, np.full_like(self.owner, number)), column)
        return matrix


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
    """Fit a profile; `rest_s` are the seconds of iterations beside their passes."""
    optimize = _optimize()
    roofline = _Roofline(observations)
    seconds = np.array([seen.seconds for seen in observations])
    scale = np.array([seen.scale for seen in observations])
    pairs = _neighbours(roofline.keys)

    def errors(logs: Floats) -> Floats:
        drawn = [NEIGHBOURS * (logs[one] - logs[other]) for one, other in pairs]
        return np.concatenate([(roofline.seconds(logs) - seconds) / scale, drawn])

    start = _start(roofline, seconds, scale)
    solved = optimize.least_squares(errors, start, loss="soft_l1", f_scale=SOFT, max_nfev=200)
    off = np.abs(roofline.seconds(solved.x) / seconds - 1)
    whole = np.array([seen.scale < seen.seconds for seen in observations])
    figures = np.exp(solved.x)
    figures[:-1] = np.minimum(figures[:-1], UNBOUND)
    memory, weights, overhead = (float(value) for value in figures[len(roofline.keys) :])
    per_tensor, per_byte = _step_figures(steps)
    rest = median(rest_s)
    profile = DeviceProfile(
        name=name,
        description=description,
        rates=_tables(roofline.keys, figures),
        memory_bandwidth_bytes_per_s=memory,
        optimiser_bytes_per_s=1 / per_byte,
        layer_overhead_s=overhead,
        iteration_overhead_s=rest,
        loader_s_per_iteration=0.0,
        memory_bytes=memory_bytes,
        sources=(source,),
        weight_bytes_per_s=weights,
        optimiser_overhead_s=per_tensor,
        loader_s_per_sample=loader_s_per_sample,
    )
    return Fit(profile, float(off[~whole].mean()), float(off[whole].mean()))


def _start(roofline: _Roofline, seconds: Floats, scale: Floats) -> Floats:
    """Return the logarithms of the figures that suit best were the maximum a sum."""
    matrix = roofline.added_up()
    size = np.linalg.norm(matrix, axis=0) + np.finfo(float).tiny
    weights = 1 / scale
    for _ in range(ROUNDS_OF_WEIGHTS):
        inverse, _ = _optimize().nnls(matrix / size * weights[:, None], seconds * weights)
        inverse /= size
        off = (matrix @ inverse - seconds) / scale
        weights = (1 + (off / SOFT) ** 2) ** -0.25 / scale
    inverse[:-1] = 1 / np.maximum(inverse[:-1], 1 / UNBOUND)
    inverse[-1] = max(inverse[-1], SHORTEST_OVERHEAD)
    start: Floats = np.log(inverse)
    return start


def _optimize() -> Any:
    """Return scipy's optimisers; a slow import, and not all of it is typed."""
    return import_module("scipy.optimize")


def _neighbours(keys: Sequence[RateKey]) -> list[tuple[int, int]]:
    """Return the pairs of places of rates that differ by one step of the map size."""
    groups: dict[tuple[str, Pass], list[tuple[int, int]]] = defaultdict(list)
    for place, (op_class, pass_, size) in enumerate(keys):
        groups[op_class, pass_].append((size, place))
    pairs = []
    for members in groups.values():
        members.sort()
        pairs += [(a[1], b[1]) for a, b in pairwise(members)]
    return pairs


def _tables(keys: Sequence[RateKey], figures: Floats) -> dict[str, RateTable]:
    rates: dict[str, dict[Pass, dict[int, float]]] = defaultdict(lambda: {p: {} for p in PASSES})
    for (op_class, pass_, size), rate in zip(keys, figures, strict=False):
        rates[op_class][pass_][size] = float(rate)
    return {
        op_class: RateTable(
            dict(sorted(by["forward"].items())), dict(sorted(by["backward"].items()))
        )
        for op_class, by in rates.items()
    }


def _step_figures(steps: Sequence[StepObservation]) -> tuple[float, float]:
    """Return seconds for each tensor and for each byte of an optimiser step, neither negative."""
    optimize = _optimize()
    rows = np.array(
        [[step.tensors / step.seconds, step.traffic_bytes / step.seconds] for step in steps]
    )
    size = rows.max(axis=0)
    (tensor, byte), _ = optimize.nnls(rows / size, np.ones(len(steps)))
    return float(tensor / size[0]), float(max(byte / size[1], 1e-15))

"""The roofline (`cutlayer.topologies.device`) as a function of the logarithms of its figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.calibrate.observations import Observation
from cutlayer.sim.compute.roofline import Pass, layer_flops, layer_traffic
from cutlayer.topologies.device import OP_CLASSES, PASSES

MAPS: Final = (2, 4, 8, 16, 32)
BY_MAP: Final = ("conv", "conv_wide", "pointwise", "depthwise", "norm", "pool")

RateKey = tuple[str, Pass, int]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def nearest_map(op_class: str, map_size: int) -> int:
    """Return the map size whose rate applies to a layer."""
    if op_class not in BY_MAP:
        return 1
    return min(MAPS, key=lambda size: abs(math.log2(size / max(map_size, 1))))


@dataclass(frozen=True)
class Roofline:
    """The layers of all observations as arrays, for a fast evaluation.

    `keys` names the rates: both passes of every class and map size observed in either, in an order
    that does not depend on the observations' order. The figures are these rates, the bandwidths of
    activations and of weights, and the overhead of a layer.
    """

    keys: tuple[RateKey, ...]
    count: int  # of observations
    owner: Ints  # the observation of each layer
    key: Ints  # the index of its rate in `keys`
    flops: Floats
    moved: Floats  # bytes of activations
    weights: Floats  # bytes of weights

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> "Roofline":
        """Return the roofline of those layers of `observations` that compute something."""
        rows: list[tuple[int, RateKey, float, float, float]] = []
        for number, seen in enumerate(observations):
            for layer in seen.layers:
                flops = layer_flops(layer, seen.pass_) * seen.batch_size
                if flops > 0:
                    size = nearest_map(layer.op_class, layer.map_size)
                    key: RateKey = (layer.op_class, seen.pass_, size)
                    rows.append(
                        (number, key, flops, *layer_traffic(layer, seen.pass_, seen.batch_size))
                    )
        seen_maps = {(op_class, size) for _, (op_class, _, size), *_ in rows}
        keys = sorted(((c, pass_, size) for c, size in seen_maps for pass_ in PASSES), key=_order)
        indices = {key: index for index, key in enumerate(keys)}
        return cls(
            keys=tuple(keys),
            count=len(observations),
            owner=np.array([row[0] for row in rows], dtype=np.int64),
            key=np.array([indices[row[1]] for row in rows], dtype=np.int64),
            flops=np.array([row[2] for row in rows], dtype=np.float64),
            moved=np.array([row[3] for row in rows], dtype=np.float64),
            weights=np.array([row[4] for row in rows], dtype=np.float64),
        )

    def seconds(self, logs: Floats, sharpness: float = math.inf) -> Floats:
        """Return the seconds of every observation for the given logarithms of the figures.

        A finite `sharpness` p replaces the maximum of a and b by (a^p + b^p)^(1/p), their sum at p = 1.
        """
        bound, _ = self._bound(logs, sharpness)
        _, weights, overhead = np.exp(logs[len(self.keys) :])
        return self.totals(overhead + bound + self.weights / weights)

    def derivatives(self, logs: Floats, sharpness: float = math.inf) -> Floats:
        """Return d seconds / d logs, observations by figures (half each at a kink)."""
        bound, computing = self._bound(logs, sharpness)
        _, weights, overhead = np.exp(logs[len(self.keys) :])
        rates = len(self.keys)
        place = self.owner * rates + self.key
        by_rate = np.bincount(place, weights=bound * computing, minlength=self.count * rates)
        columns = (
            -self.totals(bound * (1 - computing)),
            -self.totals(self.weights / weights),
            self.totals(np.full_like(self.flops, overhead)),
        )
        return np.column_stack([-by_rate.reshape(self.count, rates), *columns])

    def _bound(self, logs: Floats, sharpness: float) -> tuple[Floats, Floats]:
        """Return each layer's time for arithmetic or memory, and the share of arithmetic in it.

        Both are divided by the larger, so that their powers cannot overflow.
        """
        compute = self.flops / np.exp(logs[: len(self.keys)])[self.key]
        memory = self.moved / np.exp(logs[len(self.keys)])
        larger = np.maximum(compute, memory)
        if math.isinf(sharpness):
            return larger, 0.5 * (1 + np.sign(compute - memory))
        one, other = (compute / larger) ** sharpness, (memory / larger) ** sharpness
        return larger * (one + other) ** (1 / sharpness), one / (one + other)

    def totals(self, values: Floats) -> Floats:
        """Return the sum over the layers of each observation."""
        return np.bincount(self.owner, weights=values, minlength=self.count).astype(np.float64)


def _order(key: RateKey) -> tuple[int, int, int]:
    op_class, pass_, size = key
    return OP_CLASSES.index(op_class), PASSES.index(pass_), size

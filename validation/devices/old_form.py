"""The form that Cutlayer had until version 0.1.0, as a frozen baseline: rates by side of the input map.

    t(layer) = overhead + max(FLOPs / rate[class, pass, map side], activation bytes / memory bandwidth)
               + weight bytes / weight bandwidth

Without a weight bandwidth, weights count among the bytes of the maximum.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cutlayer.models.block_cost import LayerCost
from cutlayer.models.features import PASSES, PRODUCTS, Pass
from cutlayer.models.meta import meta_call
from cutlayer.models.model import Model

Floats = NDArray[np.float64]
RateKey = tuple[str, Pass, int]

WIDE_BYTES: Final = 4_000_000  # weights of the class conv_wide
MAPS: Final = (2, 4, 8, 16, 32)  # whose rates were fitted
BY_MAP: Final = ("conv", "conv_wide", "pointwise", "depthwise", "norm", "pool")


class Piece(NamedTuple):
    """A pass over a layer of a batch: FLOPs, bytes of activations and of weights."""

    op_class: str
    pass_: Pass
    side: int
    flops: float
    activation_bytes: float
    weight_bytes: float


def map_sides(model: Model) -> dict[str, int]:
    """Return the side of the input map of every module by the name of its layers in the costs."""
    sides: dict[str, int] = {}
    for number, block in enumerate(model.blocks):
        hooks = []
        for path, part in block.named_modules():
            label = ".".join(filter(None, (model.block_names[number], path)))

            def look(_: object, inputs: tuple[torch.Tensor, ...], label: str = label) -> None:
                spatial = inputs[0].shape[2:]
                root = 1 / max(1, len(spatial))
                sides[label] = round(math.prod(spatial) ** root)

            hooks.append(part.register_forward_pre_hook(look))
        meta_call(block, torch.empty(2, *model.activation_shape(number), device="meta"))
        for hook in hooks:
            hook.remove()
    return sides


def pieces(
    layers: Sequence[LayerCost], sides: Mapping[str, int], pass_: Pass, batch: int
) -> Iterator[Piece]:
    """Yield the passes over those layers that compute something."""
    times = 1 if pass_ == "forward" else 2
    for layer in layers:
        flops = layer.forward_flops if pass_ == "forward" else layer.backward_flops
        if flops:
            wide = layer.op_class == "conv" and layer.weight_bytes > WIDE_BYTES
            yield Piece(
                "conv_wide" if wide else layer.op_class,
                pass_,
                sides.get(layer.name, 1),
                float(flops) * batch,
                float(times * (layer.input_bytes + layer.output_bytes)) * batch,
                float(times * layer.weight_bytes),
            )


# The Raspberry Pi 4B of that catalogue, GFLOP/s and GB/s.
PI_RATES: Final[dict[str, tuple[dict[int, float], dict[int, float]]]] = {
    "conv_input": ({1: 1.0}, {1: 4.3}),
    "conv": (
        {32: 14.5, 17: 21.3, 9: 25.9, 5: 26.6, 4: 17.3, 3: 9.9, 2: 4.4},
        {32: 7.0, 17: 9.37, 9: 9.11, 5: 5.31, 4: 3.65, 3: 2.25, 2: 1.0},
    ),
    "depthwise": ({1: 0.18}, {1: 0.18}),
    "linear": ({1: 17.0}, {1: 12.8}),
    "norm": ({1: 4.0}, {1: 4.0}),
    "elementwise": ({1: 4.0}, {1: 4.0}),
    "pool": ({1: 2.0}, {1: 2.0}),
}
PI_MEMORY: Final = 4.0
PI_OPTIMIZER: Final = 1.49
PI_LAYER_S: Final = 100e-6
PI_LOADER_S: Final = 48e-3  # per iteration


def pi_seconds(piece: Piece) -> float:
    """Return the time of a pass over a layer on that Raspberry Pi 4B."""
    plain = {"conv_wide": "conv", "pointwise": "conv"}.get(piece.op_class, piece.op_class)
    table = PI_RATES[plain][PASSES.index(piece.pass_)]
    rate = table[_nearest(piece.side, tuple(sorted(table)))]
    moved = piece.activation_bytes + piece.weight_bytes
    return PI_LAYER_S + max(piece.flops / rate, moved / PI_MEMORY) / 1e9


def is_product(piece: Piece) -> bool:
    """Return whether a stack's factors on products of matrices apply."""
    return piece.op_class in (*PRODUCTS, "conv_wide")


def _nearest(side: int, known: Sequence[int]) -> int:
    return min(known, key=lambda size: abs(math.log2(size / max(side, 1))))


class Roofline:
    """The seconds of observations as a function of the logarithms of the figures, as a `solve.Times`.

    Figures: the rates of `keys`, the bandwidths of memory and of weights, and the overhead of a layer.
    A finite `sharpness` p replaces the maximum of a and b by (a^p + b^p)^(1/p).
    """

    def __init__(self, observed: Sequence[Sequence[Piece]]) -> None:
        flat = [(number, piece) for number, some in enumerate(observed) for piece in some]
        own = [self._key(piece) for _, piece in flat]
        both = {(op_class, pass_, side) for op_class, _, side in own for pass_ in PASSES}
        self.keys = tuple(sorted(both))
        self.count = len(observed)
        self.sharpness = math.inf
        self.owner = np.array([number for number, _ in flat])
        self.key = np.array([self.keys.index(key) for key in own])
        self.flops = np.array([piece.flops for _, piece in flat])
        self.moved = np.array([piece.activation_bytes for _, piece in flat])
        self.weights = np.array([piece.weight_bytes for _, piece in flat])

    @staticmethod
    def _key(piece: Piece) -> RateKey:
        side = _nearest(piece.side, MAPS) if piece.op_class in BY_MAP else 1
        return piece.op_class, piece.pass_, side

    def alike(self) -> list[tuple[int, int, float]]:
        """Return the pairs of rates of neighbouring maps and of both passes, with their weights."""
        pairs = [
            (one, other, 0.05)
            for one, other in pairwise(range(len(self.keys)))
            if self.keys[one][:2] == self.keys[other][:2]
        ]
        for (op_class, pass_, side), one in zip(self.keys, range(len(self.keys)), strict=True):
            if pass_ == "forward":
                pairs.append((one, self.keys.index((op_class, "backward", side)), 0.02))
        return pairs

    def seconds(self, logs: Floats) -> Floats:
        """Return the seconds of every observation."""
        _, weights, overhead = np.exp(logs[len(self.keys) :])
        return self.totals(overhead + self._larger(logs)[0] + self.weights / weights)

    def derivatives(self, logs: Floats) -> Floats:
        """Return d seconds / d logs, observations by figures."""
        larger, computing = self._larger(logs)
        _, weights, overhead = np.exp(logs[len(self.keys) :])
        rates = len(self.keys)
        by_rate = np.bincount(
            self.owner * rates + self.key, weights=larger * computing, minlength=self.count * rates
        )
        columns = (
            -self.totals(larger * (1 - computing)),
            -self.totals(self.weights / weights),
            self.totals(np.full_like(self.flops, overhead)),
        )
        return np.column_stack([-by_rate.reshape(self.count, rates), *columns])

    def totals(self, values: Floats) -> Floats:
        """Return the sum over the pieces of each observation."""
        return np.bincount(self.owner, weights=values, minlength=self.count)

    def _larger(self, logs: Floats) -> tuple[Floats, Floats]:
        """Return the maximum of arithmetic and memory of each piece, and the share of arithmetic."""
        compute = self.flops / np.exp(logs[: len(self.keys)])[self.key]
        memory = self.moved / np.exp(logs[len(self.keys)])
        larger = np.maximum(compute, memory)
        if math.isinf(self.sharpness):
            return larger, 0.5 * (1 + np.sign(compute - memory))
        one, other = (compute / larger) ** self.sharpness, (memory / larger) ** self.sharpness
        return larger * (one + other) ** (1 / self.sharpness), one / (one + other)

    def predicted(self, logs: Floats, some: Sequence[Piece]) -> float:
        """Return the seconds of pieces whose classes and maps were all observed."""
        values = np.exp(logs)
        memory, weights, overhead = values[len(self.keys) :]
        return float(
            sum(
                overhead
                + max(piece.flops / values[self._known(piece)], piece.activation_bytes / memory)
                + piece.weight_bytes / weights
                for piece in some
            )
        )

    def _known(self, piece: Piece) -> int:
        """Return the index of the rate of a piece; of the nearest map that was observed."""
        op_class, pass_, side = self._key(piece)
        known = [side for one, other, side in self.keys if (one, other) == (op_class, pass_)]
        return self.keys.index((op_class, pass_, _nearest(side, sorted(known))))

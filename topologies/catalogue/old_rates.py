"""Rates by the side of the feature map, as in profiles of version 0.1, converted to present figures.

Such a file has no bandwidths of weights or columns. Its rates of 3x3 convolutions, `conv` up to 4 MB of
weights and `conv_wide` above, are converted together: a rate, a weight stream and a column bandwidth for
each pass are fitted to its times of a ladder of convolutions. Another class gets one rate for all maps.
"""

from collections.abc import Mapping
from importlib import import_module
from math import log2
from typing import Any, Final, NamedTuple

import numpy as np

from cutlayer.models.features import PASSES, Pass
from cutlayer.topologies.layer_time import PassRates

ByMap = Mapping[int, float]  # FLOP/s by the side of the map

# Sides of maps with channels in and out, as VGG and ResNet have them.
LADDER: Final = ((64, 32), (32, 64), (16, 128), (8, 256), (4, 512), (2, 512))
WIDE_BYTES: Final = 4_000_000
FASTEST: Final = 1e15  # per second; a term that the ladder does not need costs nothing


class Converted(NamedTuple):
    """Rates by class, bandwidths, and the largest relative difference from the file's own times."""

    rates: dict[str, PassRates]
    weight_stream: PassRates | None
    columns: PassRates | None
    difference: float


def converted(tables: Mapping[str, Mapping[Pass, ByMap]]) -> Converted:
    """Return the figures for tables by class and pass."""
    rates: dict[str, PassRates] = {}
    stream = columns = None
    difference = 0.0
    for op_class, by_pass in tables.items():
        if op_class == "conv_wide":
            continue
        if op_class == "conv" and any(len(by_pass[pass_]) > 1 for pass_ in PASSES):
            wide = tables.get("conv_wide", by_pass)
            ladders = [_convolutions(by_pass[pass_], wide[pass_]) for pass_ in PASSES]
            rates["conv"], stream, columns = (
                PassRates(*(1 / fitted[index] for fitted, _ in ladders)) for index in range(3)
            )
            difference = max(difference, *(off for _, off in ladders))
            continue
        fits = [_one_rate(by_pass[pass_]) for pass_ in PASSES]
        rates[op_class] = PassRates(*(rate for rate, _ in fits))
        difference = max(difference, *(off for _, off in fits))
    return Converted(rates, stream, columns, difference)


def _one_rate(table: ByMap) -> tuple[float, float]:
    """Return the rate with the least squared relative errors in time, and the largest of them."""
    rates = np.array(list(table.values()))
    rate = float((rates**2).sum() / rates.sum())
    return rate, float(abs(rates / rate - 1).max())


def _convolutions(narrow: ByMap, wide: ByMap) -> tuple[list[float], float]:
    """Return seconds per FLOP, weight byte and column byte of a pass, and the largest deviation."""
    optimize: Any = import_module("scipy.optimize")  # slow to import, partly untyped
    rows = []
    for side, channels in LADDER:
        flops = 2 * 9 * channels**2 * side**2
        weights = 4 * 9 * channels**2
        table = wide if weights > WIDE_BYTES else narrow
        seconds = flops / _nearest(table, side)
        rows.append(np.array([flops, weights, 4 * 9 * channels * side**2]) / seconds)
    matrix = np.array(rows)
    found = optimize.lsq_linear(
        matrix, np.ones(len(rows)), bounds=(1 / FASTEST, np.inf), tol=1e-12
    ).x
    return [float(cost) for cost in found], float(abs(matrix @ found - 1).max())


def _nearest(table: ByMap, side: int) -> float:
    return table[min(sorted(table), key=lambda size: abs(log2(size / side)))]

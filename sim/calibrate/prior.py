"""What is held of a device's figures before its times are looked at, as rows of a least-squares problem.

The figures' logarithms are taken to be normal. An error of a time is worth `SOFT` (10 %), and beside it:

- every rate lies around the machine's median FLOP/s over whole passes, every other figure around a
  quarter of the most that it could cost: a bandwidth around four times the fastest that bytes were seen
  to move, the overhead of a layer (or of a tensor) around a quarter of the least time for each layer.
  The standard deviation is a factor of about 150 (`ANCHOR`), so that what the data tell is not bent;
- rates of neighbouring map sizes differ by a factor of about 7 (`NEIGHBOURS`), those of the forward and
  the backward pass by about 150 (`PASSES_ALIKE`);
- no figure is further than a factor of `FURTHEST` from where it is taken to lie.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from cutlayer.sim.calibrate.roofline import Floats, RateKey, Roofline

SOFT: Final = 0.1  # relative error of a time from which it counts less
ANCHOR: Final = 0.02  # SOFT over the standard deviation of a logarithm
NEIGHBOURS: Final = 0.05  # the same, of the difference of two logarithms
PASSES_ALIKE: Final = 0.02
MARGIN: Final = 4.0
FURTHEST: Final = 1e4


@dataclass(frozen=True)
class Prior:
    """Residuals `rows @ logs - values` beside those on times, and where the logarithms lie."""

    rows: Floats
    values: Floats
    centre: Floats

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The least and the greatest logarithms."""
        reach = math.log(FURTHEST)
        return self.centre - reach, self.centre + reach


def around(centre: Sequence[float], alike: Sequence[tuple[int, int, float]] = ()) -> Prior:
    """Return the prior of figures around `centre`; `alike` are pairs of their places, with a weight.

    Raises ValueError if a figure's centre is not a positive, finite number.
    """
    if not all(0 < value < math.inf for value in centre):
        raise ValueError(f"figures of a device are positive and finite (got {list(centre)})")
    logs = np.log(np.array(centre, dtype=np.float64))
    rows = [ANCHOR * np.eye(len(logs))]
    values = [ANCHOR * logs]
    for one, other, weight in alike:
        row = np.zeros((1, len(logs)))
        row[0, one], row[0, other] = weight, -weight
        rows.append(row)
        values.append(row @ logs)
    return Prior(np.vstack(rows), np.concatenate(values), logs)


def of_roofline(roofline: Roofline, seconds: Floats, whole: Floats) -> Prior:
    """Return the prior of a roofline's figures from the times of its observations.

    `whole` tells the passes over whole models among them.
    """
    flops = roofline.totals(roofline.flops)
    moved = roofline.totals(roofline.moved + roofline.weights)
    layers = roofline.totals(np.ones_like(roofline.flops))
    of = whole if whole.any() else np.ones_like(whole)
    speed = float(np.median(flops[of] / seconds[of]))
    bandwidth = MARGIN * float(np.max(moved / seconds))
    overhead = float(np.min(seconds / layers)) / MARGIN
    return around(
        [*[speed] * len(roofline.keys), bandwidth, bandwidth, overhead], _alike(roofline.keys)
    )


def _alike(keys: Sequence[RateKey]) -> list[tuple[int, int, float]]:
    """Return the pairs of rates one step of the map size apart, and those of the two passes."""
    pairs = []
    for one, other in pairwise(range(len(keys))):
        if keys[one][:2] == keys[other][:2]:
            pairs.append((one, other, NEIGHBOURS))
    places = {key: place for place, key in enumerate(keys)}
    for (op_class, pass_, size), one in places.items():
        backward: RateKey = (op_class, "backward", size)
        if pass_ == "forward" and backward in places:
            pairs.append((one, places[backward], PASSES_ALIKE))
    return pairs

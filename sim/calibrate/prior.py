"""The prior of a device's figures, as rows of a least-squares problem.

The logarithms of the figures are normally distributed. With errors of times of `SOFT` (10 %):

- every rate is centred on the machine's median FLOP/s over whole passes; every other figure is centred
  on a quarter of its largest possible cost: a bandwidth on four times the fastest observed movement of
  bytes, the overhead of a layer (or tensor) on a quarter of the shortest observed time per layer. The
  standard deviation is a factor of about 150 (`ANCHOR`), wide enough not to distort the fit;
- rates of neighbouring map sizes differ by a factor of about 7 (`NEIGHBOURS`), rates of the forward and
  the backward pass by about 150 (`PASSES_ALIKE`);
- no figure is further than a factor of `FURTHEST` from its centre.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from cutlayer.sim.calibrate.roofline import Floats, RateKey, Roofline

SOFT: Final = 0.1  # relative error of a time above which it counts less
ANCHOR: Final = 0.02  # SOFT divided by the standard deviation of a logarithm
NEIGHBOURS: Final = 0.05  # the same for the difference of two logarithms
PASSES_ALIKE: Final = 0.02
MARGIN: Final = 4.0
FURTHEST: Final = 1e4


@dataclass(frozen=True)
class Prior:
    """The prior's residuals, `rows @ logs - values`, and the centre of the logarithms."""

    rows: Floats
    values: Floats
    centre: Floats

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The smallest and largest logarithms."""
        reach = math.log(FURTHEST)
        return self.centre - reach, self.centre + reach


def around(centre: Sequence[float], alike: Sequence[tuple[int, int, float]] = ()) -> Prior:
    """Return the prior of figures centred on `centre`; `alike` has pairs of their indices with weights.

    Raises ValueError if a centre is not positive and finite.
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
    """Return the prior of a roofline's figures from the seconds of its observations.

    `whole` marks the passes over whole models.
    """
    flops = roofline.totals(roofline.flops)
    moved = roofline.totals(roofline.moved + roofline.weights)
    layers = roofline.totals(np.ones_like(roofline.flops))
    selected = whole if whole.any() else np.ones_like(whole)
    speed = float(np.median(flops[selected] / seconds[selected]))
    bandwidth = MARGIN * float(np.max(moved / seconds))
    overhead = float(np.min(seconds / layers)) / MARGIN
    return around(
        [*[speed] * len(roofline.keys), bandwidth, bandwidth, overhead], _alike(roofline.keys)
    )


def _alike(keys: Sequence[RateKey]) -> list[tuple[int, int, float]]:
    """Return the pairs of rates of neighbouring map sizes, and of the two passes."""
    pairs = []
    for one, other in pairwise(range(len(keys))):
        if keys[one][:2] == keys[other][:2]:
            pairs.append((one, other, NEIGHBOURS))
    indices = {key: index for index, key in enumerate(keys)}
    for (op_class, pass_, size), one in indices.items():
        backward: RateKey = (op_class, "backward", size)
        if pass_ == "forward" and backward in indices:
            pairs.append((one, indices[backward], PASSES_ALIKE))
    return pairs

"""The prior of a device's figures, as rows of a least-squares problem.

The logarithms of the figures are normally distributed. With errors of times of `SOFT` (10 %):

- every rate is centred on the machine's median FLOP/s over whole passes; every other figure is centred
  on a quarter of its largest possible cost: a bandwidth on four times the fastest observed movement of
  bytes, the overhead of a layer (or tensor) on a quarter of the shortest observed time per layer. The
  standard deviation is a factor of about 150 (`ANCHOR`), wide enough not to distort the fit;
- rates of the forward and the backward pass differ by a factor of about 150 (`PASSES_ALIKE`);
- no figure is further than a factor of `FURTHEST` from its centre.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cutlayer.sim.calibrate.law import SHARED, Floats, Law
from cutlayer.topologies.layer_time import OVERHEAD

SOFT: Final = 0.1  # relative error of a time above which it counts less
ANCHOR: Final = 0.02  # SOFT divided by the standard deviation of a logarithm
PASSES_ALIKE: Final = 0.02  # the same for the difference of two logarithms
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


def of_law(law: Law, seconds: Floats, whole: Floats) -> Prior:
    """Return the prior of a law's figures from the seconds of its observations.

    `whole` marks the passes over whole models.
    """
    rates = [index for index, name in enumerate(law.figures) if name.startswith("rates.")]
    selected = whole if whole.any() else np.ones_like(whole)
    flops = law.amounts[:, rates].sum(1)
    centres = []
    for index, name in enumerate(law.figures):
        amounts = law.amounts[:, index]
        if index in rates:
            centres.append(float(np.median(flops[selected] / seconds[selected])))
        elif name == OVERHEAD:
            centres.append(float(np.min(seconds / amounts)) / MARGIN)
        else:
            moved = amounts if amounts.any() else law.amounts[:, law.figures.index(SHARED[0])]
            centres.append(MARGIN * float(np.max(moved / seconds)))
    return around(centres, [(one, one + 1, PASSES_ALIKE) for one in rates[::2]])

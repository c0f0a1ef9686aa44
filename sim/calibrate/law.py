"""The form of `cutlayer.topologies.layer_time` as a function of the logarithms of its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.features import CONVOLUTIONS, OP_CLASSES, PASSES, features
from cutlayer.sim.calibrate.observations import Observation
from cutlayer.topologies.layer_time import OVERHEAD, terms

Floats = NDArray[np.float64]

# In the order of a profile file. A class of which a pass was observed has the rates of both.
SHARED: Final = ("memory_bandwidth", "weight_bandwidth")
BY_PASS: Final = ("weight_stream", "columns")


@dataclass(frozen=True)
class Law:
    """The seconds of observations: `amounts` (observations by figures) times unit costs.

    The unit cost of a rate or bandwidth is its reciprocal; an overhead is a cost itself.
    """

    figures: tuple[str, ...]
    amounts: Floats
    signs: Floats  # of the logarithms: -1 for rates and bandwidths, 1 for overheads

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> "Law":
        """Return the law of the observed layers."""
        seen = [
            [found for layer in one.layers if (found := features(layer, one.pass_))]
            for one in observations
        ]
        classes = {found.op_class for some in seen for found in some}
        figures = [
            *(f"rates.{c}.{pass_}" for c in OP_CLASSES if c in classes for pass_ in PASSES),
            *SHARED,
            *(f"{name}.{pass_}" for name in BY_PASS for pass_ in PASSES if _unfolds(classes)),
            OVERHEAD,
        ]
        column = {name: index for index, name in enumerate(figures)}
        amounts = np.zeros((len(observations), len(figures)))
        for number, (one, some) in enumerate(zip(observations, seen, strict=True)):
            for found in some:
                for figure, fixed, per_sample in terms(found, found.op_class):
                    if figure in column:
                        amounts[number, column[figure]] += fixed + per_sample * one.batch_size
        signs = np.array([1.0 if name == OVERHEAD else -1.0 for name in figures])
        return cls(tuple(figures), amounts, signs)

    def seconds(self, logs: Floats) -> Floats:
        """Return the seconds of every observation for the given logarithms of the figures."""
        return np.asarray(self.amounts @ np.exp(self.signs * logs))

    def derivatives(self, logs: Floats) -> Floats:
        """Return d seconds / d logs, observations by figures."""
        return np.asarray(self.amounts * (self.signs * np.exp(self.signs * logs)))


def _unfolds(classes: set[str]) -> bool:
    return not classes.isdisjoint(CONVOLUTIONS)

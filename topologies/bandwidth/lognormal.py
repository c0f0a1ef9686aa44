"""A rate whose logarithm is an AR(1) process: it fluctuates around its mean with a given correlation.

z[k] = c z[k-1] + sqrt(1 - c^2) e[k] with standard normal e, and the rate of step k is
mean exp(s z[k] - s^2 / 2) with s^2 = ln(1 + cv^2), which has the given mean and coefficient of
variation. The correlation of rates j steps apart is ((1 + cv^2)^(c^j) - 1) / cv^2.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

from cutlayer.topologies.bandwidth.blocks import SIZE, Block, Blocks
from cutlayer.topologies.bandwidth.profile import Profile, Varying

PURPOSE: Final = "lognormal"


@dataclass(frozen=True)
class Lognormal(Varying):
    """Mean (bytes/s), coefficient of variation, correlation of the logarithm, step (s).

    `correlation` (0 or more, below 1) is that of successive steps; for a correlation time tau it is
    exp(-step / tau). The process begins in its stationary state.
    """

    mean: float
    cv: float
    correlation: float
    step_s: float

    @property
    def mean_bytes_per_s(self) -> float:
        """The given mean."""
        return self.mean

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the rate of the link `key`."""
        del connection
        return _Wandering(self, seed, key)


class _Wandering(Blocks):
    """The rate step by step; the state is the last z."""

    def __init__(self, process: Lognormal, seed: int, key: str) -> None:
        super().__init__(seed, PURPOSE, key)
        self._process = process

    @property
    def mean(self) -> float:
        return self._process.mean

    def _first(self, stream: np.random.Generator) -> float:
        return float(stream.standard_normal())

    def _block(self, stream: np.random.Generator, index: int, start: float, state: float) -> Block:
        del start
        process, c = self._process, self._process.correlation
        noise = stream.standard_normal(SIZE) * math.sqrt(1 - c * c)
        z = np.array([*accumulate(noise.tolist(), lambda last, new: c * last + new, initial=state)])
        variance = math.log1p(process.cv**2)
        values = np.exp(math.sqrt(variance) * z[1:] - variance / 2) * self.mean
        ends = np.arange(index * SIZE + 1, (index + 1) * SIZE + 1, dtype=np.float64)
        return ends * process.step_s, values, float(z[-1])

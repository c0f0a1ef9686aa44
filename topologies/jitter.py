"""A delay that differs from message to message, around the mean that the link states."""

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

MIN_SPREAD: Final = 1e-100  # its square does not underflow, and every draw equals the mean
JitterKind = Literal["lognormal", "gamma", "uniform"]


@dataclass(frozen=True)
class Jitter:
    """A distribution of non-negative delays around a given mean.

    `spread` is the coefficient of variation (`lognormal`, `gamma`; more than 0), or the largest
    deviation as a share of the mean (`uniform`; up to 1).
    """

    kind: JitterKind
    spread: float

    def __post_init__(self) -> None:
        most = 1.0 if self.kind == "uniform" else math.inf
        if self.kind not in get_args(JitterKind) or not 0 < self.spread <= most:
            raise ValueError(f"invalid jitter: {self.kind!r} with a spread of {self.spread!r}")

    def sample(self, generator: np.random.Generator, mean_s: float) -> float:
        """Draw a delay in seconds with the mean `mean_s`, from one draw of the generator."""
        if self.kind == "uniform":
            return mean_s * (1 + self.spread * (2 * generator.random() - 1))
        if self.kind == "gamma":
            shape = max(self.spread, MIN_SPREAD) ** -2
            return mean_s * generator.standard_gamma(shape) / shape
        variance = math.log1p(self.spread**2)
        return mean_s * math.exp(generator.normal(-variance / 2, math.sqrt(variance)))

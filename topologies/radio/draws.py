"""Figures of a client that are given, or drawn from the run's seed."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Uniform:
    """Uniform between two values."""

    least: float
    most: float

    def sample(self, stream: np.random.Generator) -> float:
        """Draw a value."""
        return float(stream.uniform(self.least, self.most))


@dataclass(frozen=True)
class Disc:
    """The distance from the centre of a point that is uniform on a ring of these two radii."""

    least: float
    most: float

    def sample(self, stream: np.random.Generator) -> float:
        """Draw a distance; its density is proportional to the distance."""
        return math.sqrt(float(stream.uniform(self.least**2, self.most**2)))


Figure = float | Uniform | Disc


def drawn(figure: Figure, stream: np.random.Generator) -> float:
    """Return a figure that is given, or a draw."""
    return figure.sample(stream) if isinstance(figure, Uniform | Disc) else figure

"""Staleness: weights of updates that were trained on an old version of the model.

The functions of Xie, Koyejo and Gupta (2019), section 5.2. The staleness tau of an update is the number
of folds between its dispatch and its own: 0 if there was none, for which every function is 1. (The paper
counts from 1.)
"""

from typing import Annotated, Final

from pydantic import Field

from cutlayer.scenarios.fields import NotNegative, Positive, Section
from cutlayer.scenarios.unions import OneOf

MAX_HINGE: Final = 1e6  # keep weights of any staleness above 0
MAX_POWER: Final = 10.0


class Constant(Section):
    """1 for every update."""

    def weight(self, staleness: int) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0


class Hinge(Section):
    """1 up to a staleness of `b`, then 1 / (a (tau - b) + 1)."""

    a: Annotated[Positive, Field(le=MAX_HINGE)] = 10.0
    b: NotNegative = 4.0

    def weight(self, staleness: int) -> float:
        """Return the weight of an update."""
        return 1.0 if staleness <= self.b else 1.0 / (self.a * (staleness - self.b) + 1.0)


class Polynomial(Section):
    """(1 + tau)^-a."""

    a: Annotated[Positive, Field(le=MAX_POWER)] = 0.5

    def weight(self, staleness: int) -> float:
        """Return the weight of an update."""
        return float((1.0 + staleness) ** -self.a)


class Interval(Section):
    """1 + tau: an update counts more, the more folds it took (SAFSL)."""

    def weight(self, staleness: int) -> float:
        """Return the weight of an update."""
        return 1.0 + staleness


Staleness = Annotated[
    Constant | Hinge | Polynomial | Interval,
    OneOf(constant=Constant, hinge=Hinge, polynomial=Polynomial, interval=Interval),
]

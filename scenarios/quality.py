"""The quality of a link: the jitter of its delay, and packet loss."""

import re
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, PlainValidator, WithJsonSchema

from cutlayer.scenarios.fields import Section, Share, rule
from cutlayer.scenarios.unions import OneOf
from cutlayer.topologies.jitter import Jitter, JitterKind

Variation = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]


class _CvJitter(Section):
    shorthand = "cv"
    kind: ClassVar[JitterKind]
    cv: Variation

    def jitter(self) -> Jitter:
        """Return the distribution."""
        return Jitter(self.kind, self.cv)


class LognormalJitter(_CvJitter):
    """A lognormal delay with this coefficient of variation."""

    kind = "lognormal"


class GammaJitter(_CvJitter):
    """A gamma-distributed delay with this coefficient of variation."""

    kind = "gamma"


class UniformJitter(Section):
    """A uniform delay that deviates from its mean by up to this share, in both directions."""

    shorthand = "share"
    share: Share

    def jitter(self) -> Jitter:
        """Return the distribution."""
        return Jitter("uniform", self.share)


JitterForm = Annotated[
    LognormalJitter | GammaJitter | UniformJitter,
    OneOf(lognormal=LognormalJitter, gamma=GammaJitter, uniform=UniformJitter),
]


def _probability(value: Any) -> float:
    """Return a probability below 1, written as a number or as text in percent."""
    expected = "must be a probability, such as 0.001 or '0.1 %'"
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{0,20})?(?:[eE]-?\d{1,2})?)\s*%\s*", value)
        if match is None:
            raise rule(expected)
        value = float(Fraction(match[1]) / 100)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise rule(expected)
    if not 0 <= value < 1:
        raise rule("must be 0 or more and below 1 (100 %)")
    return float(value)


_NUMBER: Final = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_PERCENT: Final = {"type": "string", "pattern": r"^\s*[0-9.][0-9.eE-]*\s*%\s*$"}
Loss = Annotated[
    float, PlainValidator(_probability), WithJsonSchema({"anyOf": [_NUMBER, _PERCENT]})
]

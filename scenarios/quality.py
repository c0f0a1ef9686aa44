"""The quality of a link: the jitter of its delay, and packet loss."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from cutlayer.scenarios.fields import Section, Share, rule
from cutlayer.scenarios.one_of import OneOf
from cutlayer.topologies.jitter import Jitter, JitterKind

Variation = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]


class JitterSection(Section):
    """A distribution of the delay that keeps its mean; the delay is never negative."""

    def jitter(self) -> Jitter:
        """Return the distribution."""
        raise NotImplementedError


class _ByVariation(JitterSection):
    kind: ClassVar[JitterKind]
    shorthand = "cv"
    cv: Variation

    def jitter(self) -> Jitter:
        return Jitter(self.kind, self.cv)


class LognormalJitter(_ByVariation):
    """A lognormal delay with this coefficient of variation."""

    kind = "lognormal"


class GammaJitter(_ByVariation):
    """A gamma-distributed delay with this coefficient of variation."""

    kind = "gamma"


class UniformJitter(JitterSection):
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


@dataclass(frozen=True)
class _Probability:
    """Annotation of a probability below 1: a number, or text in percent."""

    def read(self, value: Any) -> float:
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

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
        percent = {"type": "string", "pattern": r"^\s*[0-9.][0-9.eE-]*\s*%\s*$"}
        return {"anyOf": [number, percent]}


Loss = Annotated[float, _Probability()]

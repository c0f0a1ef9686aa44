"""Field types for quantities with units: text in the file, SI numbers in the scenario.

`Rate`, `FiniteRate` and `RateOrOutage` (may be 0) are bytes/s, `Duration` and `Delay` s, `Size`
bytes, `Speed` FLOP/s, `Power` W, `Frequency` Hz, `Length` m, `TransmitPower` W, `NoiseDensity` W/Hz,
`Decibels` dB, `Kappa` W/Hz^3. A quantity without a unit is an error. Serialised, it is text that
reads back to exactly the same number.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from cutlayer.scenarios.fields import rule
from cutlayer.topologies import units
from cutlayer.topologies.radio import units as radio

_LONGEST = 60

# Beyond these bounds the clock could not distinguish successive times (near 1e12 s, doubles are 0.1 ms
# apart), or a table could not hold a number. A bound is a number and its text.
Bound = tuple[float, str]
_MAX_BYTES: Final = (2**63 - 1, "9.2e18 B")
_MAX_SECONDS: Final = (units.MAX_SECONDS, "1e12 s")
_RATES: Final = ((units.MIN_BYTES_PER_S, "0.001 bit/s"), (units.MAX_BYTES_PER_S, "1e18 bit/s"))
_SPEEDS: Final = ((1.0, "1 FLOP/s"), (1e24, "1e24 FLOP/s"))
_MAX_WATTS: Final = (1e9, "1e9 W")
_ZERO: Final = (0.0, "0")


@dataclass(frozen=True)
class _Quantity:
    """Annotation of a number that is written with a unit."""

    parse: Callable[[object], float]
    write: Callable[[Any], str]
    example: str
    least: Bound
    most: Bound
    zero: bool = False
    unlimited: bool = False
    signed: bool = False  # any number
    minus: bool = False  # the text may be negative, as -174 dBm/Hz is

    def read(self, value: Any) -> float:
        if not isinstance(value, str | int | float) or len(str(value)) > _LONGEST:
            raise rule(f"must be a number with a unit, such as {self.example!r}")
        try:
            number = self.parse(value)
        except units.QuantityError as error:
            raise rule(str(error)) from None
        if self.signed:
            return number
        if number == 0 and not self.zero:
            raise rule("must be greater than 0")
        if number == math.inf:
            if not self.unlimited:
                raise rule(f"must be limited here, such as {self.example!r}")
        elif number > self.most[0]:
            raise rule(f"must be at most {self.most[1]}")
        elif 0 < number < self.least[0]:
            raise rule(f"must be at least {self.least[1]}")
        return number

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        sign = "[+-]?" if self.signed or self.minus else r"\+?"
        number = rf"\s*{sign}[0-9.][0-9.eE+-]*\s*[A-Za-zµμ]\S*\s*"
        words = r"|\s*unlimited\s*" if self.unlimited else ""
        return {"type": "string", "pattern": f"^(?:{number}{words})$", "examples": [self.example]}


def _exact(write: Callable[..., str], unit: str) -> Callable[[float], str]:
    """Return the function that writes a number exactly: readably, or plainly if that is too long."""

    def written(number: float) -> str:
        readable = write(number, digits=None)
        return readable if len(readable) <= _LONGEST else f"{number!r} {unit}"

    return written


_write_rate = _exact(units.format_rate, "B/s")
_write_duration = _exact(units.format_duration, "s")


def _parse_size_limit(text: object) -> float:
    return math.inf if text == "unlimited" else units.parse_size(text)


def _write_size_limit(size_bytes: float) -> str:
    return (
        "unlimited" if math.isinf(size_bytes) else units.format_size(int(size_bytes), digits=None)
    )


def _write_speed(flops_per_s: float) -> str:
    in_giga = f"{flops_per_s / 1e9!r} GFLOP/s"
    return in_giga if units.parse_speed(in_giga) == flops_per_s else f"{flops_per_s!r} FLOP/s"


Rate = Annotated[
    float, _Quantity(units.parse_rate, _write_rate, "10 Mbit/s", *_RATES, unlimited=True)
]
RateOrOutage = Annotated[
    float,
    _Quantity(partial(units.parse_rate, zero=True), _write_rate, "38 Mbit/s", *_RATES, zero=True),
]
FiniteRate = Annotated[float, _Quantity(units.parse_rate, _write_rate, "38 Mbit/s", *_RATES)]
Duration = Annotated[
    float, _Quantity(units.parse_duration, _write_duration, "90 min", _ZERO, _MAX_SECONDS)
]
Delay = Annotated[
    float, _Quantity(units.parse_duration, _write_duration, "20 ms", _ZERO, _MAX_SECONDS, zero=True)
]
Size = Annotated[
    int,
    _Quantity(
        units.parse_size, partial(units.format_size, digits=None), "4 GiB", _ZERO, _MAX_BYTES
    ),
]
SizeOrUnlimited = Annotated[
    float,
    _Quantity(_parse_size_limit, _write_size_limit, "4 MiB", _ZERO, _MAX_BYTES, unlimited=True),
]
Power = Annotated[
    float, _Quantity(units.parse_power, "{!r} W".format, "5.3 W", _ZERO, _MAX_WATTS, zero=True)
]
Speed = Annotated[float, _Quantity(units.parse_speed, _write_speed, "5 GFLOP/s", *_SPEEDS)]
Frequency = Annotated[
    float,
    _Quantity(radio.parse_frequency, "{!r} Hz".format, "10 MHz", (1.0, "1 Hz"), (1e15, "1e15 Hz")),
]
Length = Annotated[
    float,
    _Quantity(radio.parse_length, "{!r} m".format, "250 m", (1e-3, "0.001 m"), (1e9, "1e9 m")),
]
TransmitPower = Annotated[
    float,
    _Quantity(
        radio.parse_transmit_power, "{!r} W".format, "200 mW", (1e-12, "1e-12 W"), _MAX_WATTS
    ),
]
NoiseDensity = Annotated[
    float,
    _Quantity(
        radio.parse_noise_density,
        "{!r} W/Hz".format,
        "-174 dBm/Hz",
        (1e-30, "1e-30 W/Hz"),
        (1.0, "1 W/Hz"),
        minus=True,
    ),
]
Decibels = Annotated[
    float,
    _Quantity(radio.parse_decibels, "{!r} dB".format, "128.1 dB", _ZERO, _ZERO, signed=True),
]
Kappa = Annotated[
    float,
    _Quantity(
        radio.parse_kappa, "{!r} W/Hz^3".format, "1e-28 W/Hz^3", (1e-40, "1e-40"), (1e-15, "1e-15")
    ),
]

"""A device profile as the text of a file, as written after a calibration."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import yaml

from cutlayer.errors import UserError
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.figures import BY_PASS, FIGURES
from cutlayer.topologies.layer_time import PassRates
from cutlayer.topologies.units import format_duration, format_rate, parse_duration, parse_rate

_FORMATS: Final[dict[object, Callable[[float], str]]] = {
    parse_rate: lambda rate: format_rate(float(f"{rate:.6g}"), digits=None),
    parse_duration: lambda seconds: format_duration(float(f"{seconds:.6g}"), digits=None),
}


class ProfileFileError(UserError):
    """A file that is not a device profile, or cannot be read."""


def profile_text(
    profile: DeviceProfile,
    note: str,
    comment: str = "",
    derived: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a measured profile as the text of a profile file.

    Rates have 6 digits. Every figure has the `note`; the file begins with the `comment`. `derived` has
    notes on figures that were not measured, by their names in the file (`rates.conv`).
    """

    def stated(name: str) -> dict[str, str]:
        if name in derived:
            return {"status": "derived", "note": f"{note}; {derived[name]}"}
        return {"status": "measured", "note": note}

    values = {
        name: _FORMATS[parse](value)
        for name, (field, parse) in FIGURES.items()
        if (value := getattr(profile, field)) is not None
    }
    if profile.memory_bytes is not None:
        values["memory"] = f"{profile.memory_bytes} B"
    by_pass = {
        name: rates
        for name, field in BY_PASS.items()
        if (rates := getattr(profile, field)) is not None
    }
    assert derived.keys() <= {
        *values,
        *by_pass,
        *(f"rates.{op_class}" for op_class in profile.rates),
    }
    entry: dict[str, Any] = {
        "description": profile.description,
        "sources": list(profile.sources),
        "rates": {
            op_class: _rates(rates) | stated(f"rates.{op_class}")
            for op_class, rates in profile.rates.items()
        },
        **({"fallback": dict(profile.fallback)} if profile.fallback else {}),
        **{name: _bandwidths(rates) | stated(name) for name, rates in by_pass.items()},
        **{name: {"value": value, **stated(name)} for name, value in values.items()},
    }
    if profile.host_speed is not None:
        entry["host_speed"] = {"value": profile.host_speed, **stated("host_speed")}
    lines = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return lines + yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=100)


def _rates(rates: PassRates) -> dict[str, str]:
    return {pass_: f"{rate / 1e9:.6g} GFLOP/s" for pass_, rate in rates._asdict().items()}


def _bandwidths(rates: PassRates) -> dict[str, str]:
    return {pass_: _FORMATS[parse_rate](rate) for pass_, rate in rates._asdict().items()}

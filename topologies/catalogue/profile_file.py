"""A device profile as the text of a file, as written after a calibration."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import yaml

from cutlayer.errors import UserError
from cutlayer.topologies.catalogue.schema import FIGURES
from cutlayer.topologies.device import PASSES, DeviceProfile, RateTable
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
    assert derived.keys() <= {*values, *(f"rates.{op_class}" for op_class in profile.rates)}
    entry: dict[str, Any] = {
        "description": profile.description,
        "sources": list(profile.sources),
        "rates": {
            op_class: _rates(table) | stated(f"rates.{op_class}")
            for op_class, table in profile.rates.items()
        },
        **{name: {"value": value, **stated(name)} for name, value in values.items()},
    }
    lines = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return lines + yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=100)


def _rates(table: RateTable) -> dict[str, Any]:
    return {
        pass_: {size: f"{rate / 1e9:.6g} GFLOP/s" for size, rate in table.of(pass_).items()}
        for pass_ in PASSES
    }

"""A device profile as the text of a file, as written after a calibration or a fit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import yaml

from cutlayer.errors import UserError
from cutlayer.topologies.covariance import DIGITS, Covariance
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.figures import BY_PASS, FIGURES, attribute_of, figures_of
from cutlayer.topologies.layer_time import PassRates
from cutlayer.topologies.units import format_duration, parse_duration, parse_rate

_FORMATS: Final[dict[object, Callable[[float], str]]] = {
    parse_rate: lambda rate: f"{rate / 1e9:.6g} GB/s",
    parse_duration: lambda seconds: format_duration(float(f"{seconds:.6g}"), digits=None),
}


class ProfileFileError(UserError):
    """A file that is not a device profile, or cannot be read."""


def measured(
    profile: DeviceProfile, note: str, derived: Mapping[str, str] = MappingProxyType({})
) -> DeviceProfile:
    """Return the profile with all figures measured, and the same note on each.

    `derived` has notes on figures that were not measured, by their names in the file (`rates.conv`).
    """
    attributes = dict.fromkeys(map(attribute_of, figures_of(profile)))
    optional = [
        name for name in ("memory_bytes", "host_speed") if getattr(profile, name) is not None
    ]
    attributes |= dict.fromkeys([*optional, *(f"power_w.{state}" for state in profile.power_w)])
    notes = {attribute_of(name): f"{note}; {why}" for name, why in derived.items()}
    assert notes.keys() <= attributes.keys()
    return replace(
        profile,
        status={name: "derived" if name in notes else "measured" for name in attributes},
        notes={name: notes.get(name, note) for name in attributes},
    )


def profile_text(profile: DeviceProfile, comment: str = "") -> str:
    """Return a profile as the text of a file that begins with the comment. Figures have 6 digits.

    Every figure must have a status, but for optional times of 0 s.
    """

    def stated(attribute: str) -> dict[str, str]:
        note = profile.notes.get(attribute)
        return {"status": profile.status[attribute]} | ({"note": note} if note else {})

    entry: dict[str, Any] = {
        "description": profile.description,
        "sources": list(profile.sources),
        "rates": {
            op_class: _rates(rates) | stated(f"rates.{op_class}")
            for op_class, rates in profile.rates.items()
        },
    }
    if profile.fallback:
        entry["fallback"] = dict(profile.fallback)
    for name, attribute in BY_PASS.items():
        if (bandwidths := getattr(profile, attribute)) is not None:
            entry[name] = _bandwidths(bandwidths) | stated(attribute)
    for name, (attribute, parse) in FIGURES.items():
        value = getattr(profile, attribute)
        if value or (value is not None and attribute in profile.status):
            entry[name] = {"value": _FORMATS[parse](value), **stated(attribute)}
    if profile.memory_bytes is not None:
        entry["memory"] = {"value": f"{profile.memory_bytes} B", **stated("memory_bytes")}
    if profile.host_speed is not None:
        entry["host_speed"] = {"value": profile.host_speed, **stated("host_speed")}
    if profile.power_w:
        entry["power_w"] = {
            state: {"value": watts, **stated(f"power_w.{state}")}
            for state, watts in profile.power_w.items()
        }
    if profile.stack:
        entry["stack"] = profile.stack
    if profile.form_error is not None:
        entry["form_error"] = {"value": round(profile.form_error, 3), **stated("form_error")}
    lines = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    text = lines + yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=100)
    return text + (_covariance(profile.covariance) if profile.covariance else "")


def _rates(rates: PassRates) -> dict[str, str]:
    return {pass_: f"{rate / 1e9:.6g} GFLOP/s" for pass_, rate in rates._asdict().items()}


def _bandwidths(rates: PassRates) -> dict[str, str]:
    return {pass_: _FORMATS[parse_rate](rate) for pass_, rate in rates._asdict().items()}


def _covariance(known: Covariance) -> str:
    """Return the section of a covariance, with a line for each row of the matrix."""
    rows = [", ".join(f"{value:.{DIGITS}f}" for value in row) for row in known.logs]
    return (
        "covariance:  # of the natural logarithms of these figures\n"
        f"  figures: [{', '.join(known.names)}]\n"
        "  logs:\n" + "".join(f"    - [{row}]\n" for row in rows)
    )

"""A device profile in a file of its own: one entry of the catalogue, with all that it holds."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml
from pydantic import ValidationError

from topologies.catalogue.schema import DeviceEntry
from topologies.device import PASSES, DeviceError, DeviceProfile, RateTable
from topologies.units import QuantityError, format_duration, format_rate

LONGEST: Final = 1_000_000  # characters of a file that is read


class ProfileFileError(ValueError):
    """A file that is no device profile, or cannot be read."""


def read_profile(path: Path, name: str) -> DeviceProfile:
    """Return the profile in a YAML file under a name. Raises ProfileFileError with one sentence."""
    where = f"device profile {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ProfileFileError(f"{where}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ProfileFileError(f"{where}: expected a YAML text in UTF-8") from None
    if len(text) > LONGEST:
        raise ProfileFileError(f"{where}: expected at most {LONGEST:,} characters")
    try:
        return DeviceEntry.model_validate(yaml.safe_load(text)).profile(name, _no_other)
    except yaml.YAMLError as error:
        raise ProfileFileError(f"{where}: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the file"
        raise ProfileFileError(f"{where}: {at}: {first['msg']}") from None
    except (QuantityError, DeviceError) as error:
        raise ProfileFileError(f"{where}: {error}") from None


def profile_text(
    profile: DeviceProfile,
    note: str,
    comment: str = "",
    derived: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a measured profile as the text of a file that `read_profile` takes.

    Rates are kept to 6 digits. `note` goes with every figure, `comment` above them all. `derived`
    has notes on figures that were not measured, by their names in the file (`rates.conv`).
    """

    def stated(name: str) -> dict[str, str]:
        if name in derived:
            return {"status": "derived", "note": f"{note}; {derived[name]}"}
        return {"status": "measured", "note": note}

    values = {
        "memory_bandwidth": _rate(profile.memory_bandwidth_bytes_per_s),
        "optimiser_bandwidth": _rate(profile.optimiser_bytes_per_s),
        "layer_overhead": _duration(profile.layer_overhead_s),
        "iteration_overhead": _duration(profile.iteration_overhead_s),
        "loader_per_iteration": _duration(profile.loader_s_per_iteration),
        "loader_per_sample": _duration(profile.loader_s_per_sample),
        "optimiser_overhead": _duration(profile.optimiser_overhead_s),
        "round_overhead": _duration(profile.round_overhead_s),
    }
    if profile.weight_bytes_per_s is not None:
        values["weight_bandwidth"] = _rate(profile.weight_bytes_per_s)
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


def _rate(bytes_per_s: float) -> str:
    return format_rate(float(f"{bytes_per_s:.6g}"), digits=None)


def _duration(seconds: float) -> str:
    return format_duration(float(f"{seconds:.6g}"), digits=None)


def _no_other(name: str) -> DeviceProfile:
    raise DeviceError(f"a profile in a file cannot be scaled from another ({name})")

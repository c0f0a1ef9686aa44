"""The figures of a device by their names in a profile file, as numbers.

Rates have a name for each pass: `rates.conv.forward`. A device without a bandwidth of its own for
weights or columns has no such figure.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from cutlayer.models.features import PASSES
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.layer_time import PassRates
from cutlayer.topologies.units import parse_duration, parse_rate

# Names in a profile file, with the attribute of a profile and the parser of a quantity.
FIGURES: Final[dict[str, tuple[str, Callable[[object], float]]]] = {
    "memory_bandwidth": ("memory_bandwidth_bytes_per_s", parse_rate),
    "optimizer_bandwidth": ("optimizer_bytes_per_s", parse_rate),
    "weight_bandwidth": ("weight_bytes_per_s", parse_rate),
    "layer_overhead": ("layer_overhead_s", parse_duration),
    "iteration_overhead": ("iteration_overhead_s", parse_duration),
    "loader_per_iteration": ("loader_s_per_iteration", parse_duration),
    "loader_per_sample": ("loader_s_per_sample", parse_duration),
    "optimizer_overhead": ("optimizer_overhead_s", parse_duration),
    "round_overhead": ("round_overhead_s", parse_duration),
}
BY_PASS: Final = {"weight_stream": "weight_stream_bytes_per_s", "columns": "column_bytes_per_s"}
_PLAIN: Final = {name: attribute for name, (attribute, _) in FIGURES.items()}
# Figures that are times; the others are rates per second.
COSTS: Final = tuple(name for name in _PLAIN if not name.endswith("bandwidth"))


def figures_of(profile: DeviceProfile) -> dict[str, float]:
    """Return the figures that a profile has, in SI units."""
    by_pass = {f"rates.{op_class}": rates for op_class, rates in profile.rates.items()}
    by_pass |= {
        name: rates
        for name, attribute in BY_PASS.items()
        if (rates := getattr(profile, attribute)) is not None
    }
    figures = {f"{name}.{p}": rates.of(p) for name, rates in by_pass.items() for p in PASSES}
    for name, attribute in _PLAIN.items():
        if (figure := getattr(profile, attribute)) is not None:
            figures[name] = figure
    return figures


def with_figures(profile: DeviceProfile, figures: Mapping[str, float]) -> DeviceProfile:
    """Return the profile with these figures; those that are not given stay as they are."""
    known = {**figures_of(profile), **figures}
    changes: dict[str, Any] = {
        attribute: known[name] for name, attribute in _PLAIN.items() if name in known
    }
    changes |= {
        attribute: PassRates(*(known[f"{name}.{pass_}"] for pass_ in PASSES))
        for name, attribute in BY_PASS.items()
        if f"{name}.forward" in known
    }
    classes = [name.split(".")[1] for name in known if name.startswith("rates.")]
    changes["rates"] = {
        op_class: PassRates(*(known[f"rates.{op_class}.{pass_}"] for pass_ in PASSES))
        for op_class in dict.fromkeys(classes)
    }
    return replace(profile, **changes)


def attribute_of(figure: str) -> str:
    """Return the name under which a profile has the status of a figure."""
    name = figure.removesuffix(".forward").removesuffix(".backward")
    return {**_PLAIN, **BY_PASS}.get(name, name)

"""The kind of a timed iteration: which figures of a device it says something about.

Dense: half of its time or more is in the matrix products of 3x3 and larger convolutions and of linear
layers. Light: at most a quarter is, and the rest in depthwise and pointwise convolutions, normalisation,
elementwise operations, memory, loader and overheads. Rows of one kind say little about the other.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal

from cutlayer.sim.calibrate.adjust import seconds_by_figure
from cutlayer.sim.calibrate.timed_csv import TimedIteration
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.stack import group_of

Kind = Literal["dense", "mixed", "light"]
DENSE: Final = 0.5  # share of dense products from which on a row is dense
LIGHT: Final = 0.25  # and up to which it is light
EXAMPLES: Final[Mapping[Kind, str]] = {"dense": "resnet18", "light": "mobilenetv2"}
UNKNOWN: Final[Mapping[Kind, str]] = {
    "dense": "3x3 convolutions and linear layers",
    "light": "depthwise and pointwise convolutions, memory, loader and overheads",
}


def kind_of(one: TimedIteration, device: DeviceProfile) -> Kind:
    """Return the kind of a row on a device."""
    seconds = seconds_by_figure(device, one.row)
    pointwise = seconds_by_figure(device, one.pointwise)
    share = (_of_products(seconds) - _of_products(pointwise)) / sum(seconds.values())
    if share >= DENSE:
        return "dense"
    return "light" if share <= LIGHT else "mixed"


def missing_kinds(kinds: Collection[Kind]) -> str:
    """Return a warning if no row is dense, or none is light; otherwise an empty text."""
    missing = [kind for kind in EXAMPLES if kind not in kinds]
    if not missing:
        return ""
    return (
        f"no row is {' or '.join(missing)}: times of {', '.join(UNKNOWN[kind] for kind in missing)} are"
        f" hardly known. Time {' and '.join(EXAMPLES[kind] for kind in missing)} too, or a network like"
        f" it: one dense and one light network are worth more than five of one kind."
    )


def _of_products(seconds: Mapping[str, float]) -> float:
    return sum(value for name, value in seconds.items() if group_of(name).startswith("gemm"))

"""The kind of a timed iteration: which figures of a device it says something about.

Dense: most of its time is in the matrix products of convolutions of 3x3 or more and of linear layers.
Light: most is in depthwise and pointwise convolutions, normalisation, elementwise operations, memory,
loader and overheads. Rows of one kind say little about the times of the other.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from cutlayer.sim.calibrate.adjust import seconds_by_figure
from cutlayer.sim.calibrate.timed_csv import TimedIteration
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.stack import group_of

Kind = Literal["dense", "light"]
EXAMPLES: Final[Mapping[Kind, str]] = {"dense": "resnet18", "light": "mobilenetv2"}


def kind_of(one: TimedIteration, device: DeviceProfile) -> Kind:
    """Return the kind of a row on a device."""
    seconds = seconds_by_figure(device, one.row)
    pointwise = seconds_by_figure(device, one.pointwise)
    dense = _of_products(seconds) - _of_products(pointwise)
    return "dense" if 2 * dense >= sum(seconds.values()) else "light"


def one_kind_only(kinds: Sequence[Kind]) -> str:
    """Return a warning if all rows are of one kind, or an empty text."""
    if len(set(kinds)) > 1:
        return ""
    kind: Kind = kinds[0]
    other: Kind = "light" if kind == "dense" else "dense"
    unknown = (
        "depthwise and pointwise convolutions, memory, loader and overheads"
        if kind == "dense"
        else "convolutions of 3x3 and linear layers"
    )
    count = "The row is" if len(kinds) == 1 else f"All {len(kinds)} rows are"
    return (
        f"{count} {kind}, so that times of {unknown} are hardly known. Time a {other} network too"
        f" (such as {EXAMPLES[other]}): one dense and one light network are worth more than five of"
        f" one kind."
    )


def _of_products(seconds: Mapping[str, float]) -> float:
    return sum(value for name, value in seconds.items() if group_of(name).startswith("gemm"))

"""The tables by name, and how each is made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cutlayer.sim.papers.ecofed_map import Point
from cutlayer.sim.validate.table import Table

if TYPE_CHECKING:
    from cutlayer.sim.papers.grid import Grid
    from cutlayer.sim.run.progress import Progress as RunProgress

Progress = Callable[[str, int, int, str], None]  # phase, done, total, what is next

TABLES: Final = {
    "ecofed": "EcoFed's ratios in bytes and time, and where on a map its time headlines hold",
    "edpfl": "round times and bytes of two real Raspberry Pis on one Wi-Fi medium",
    "ares": "VGG5 whole and cut on a Raspberry Pi and a Jetson Nano",
    "mpsl": "VGG19 by layer on a Pi 4, a VM and a laptop",
    "bpfree": "bytes of SplitFed v2 and CSE-FSL on ResNet18, to the byte",
    "splitlite": "bytes of codecs at the cut of four language models",
    "benchmark-pi": "seven networks on a Pi 4 and a Pi 5, and predictions by the others",
}

TRAINED: Final = {
    "fairness": "every method on one scenario: time, bytes, accuracy, energy and memory",
}  # they take minutes, and are not among `all`


@dataclass(frozen=True)
class Reproduced:
    """A table, and the points of its map if it has one."""

    table: Table
    points: list[Point] = field(default_factory=list)


def reproduce(name: str, progress: Progress) -> Reproduced:
    """Make one of the tables, reporting to `progress`."""
    if name == "ecofed":
        from cutlayer.sim.papers import ecofed, ecofed_map

        points = list(ecofed_map.points(progress))
        return Reproduced(ecofed.table(points), points)
    from cutlayer.sim.papers import ares, benchmark_pi, bpfree, edpfl, mpsl, splitlite

    makers = {
        "edpfl": edpfl.table,
        "ares": ares.table,
        "mpsl": mpsl.table,
        "bpfree": bpfree.table,
        "splitlite": splitlite.table,
        "benchmark-pi": benchmark_pi.table,
    }
    progress(f"reproducing {name}", 0, 1, "")
    made = Reproduced(makers[name]())
    progress(f"reproducing {name}", 1, 1, "")
    return made


def trained(name: str, progress: "RunProgress") -> "Grid":
    """Make one of the tables for which methods are trained."""
    from cutlayer.sim.papers import fairness

    return {"fairness": fairness.grid}[name](progress)

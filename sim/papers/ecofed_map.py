"""Time ratios of classic FL and SplitFed to EcoFed over devices, links and servers."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from cutlayer.sim.papers.worlds import additive_seconds, played, seconds_per_round
from cutlayer.sim.results.method import MethodResult
from cutlayer.topologies.catalogue import device

Measure = Literal["makespan", "additive"]

# (against classic FL, against SplitFed)
HEADLINES: Final = {"v2": (25.66, 2.83), "v3": (21.0, 2.86)}
DEVICES: Final = ("raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5")
LINKS: Final = (2, 5, 10, 20, 35, 50, 75, 100)  # Mbit/s each way
SERVERS: Final = (1, 4, 16, 64)  # speed over a virtual machine of 8 cores, one job at a time
SERVER: Final = "server-8-core"


@dataclass(frozen=True)
class Point:
    """A setting and its time ratios, by makespan and by EcoFed's additive mean."""

    device: str
    link_mbit: float
    server_x: float
    makespan: tuple[float, float]
    additive: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.device}, {self.link_mbit:g} Mbit/s, server x{self.server_x:g}"

    def ratios(self, measure: str) -> tuple[float, float]:
        """Return the ratios (classic FL, SplitFed) to EcoFed."""
        return self.makespan if measure == "makespan" else self.additive

    def distance(self, classic: float, split: float, measure: str) -> float:
        """Return the larger deviation of the two ratios, as a natural logarithm."""
        first, second = self.ratios(measure)
        return max(abs(math.log(first / classic)), abs(math.log(second / split)))

    def meets(self, classic: float, split: float, measure: str, within: float) -> bool:
        """Return whether both ratios deviate by at most `within`, relatively."""
        first, second = self.ratios(measure)
        return abs(first / classic - 1) <= within and abs(second / split - 1) <= within


def nearest(points: Sequence[Point], classic: float, split: float, measure: str) -> Point:
    """Return the setting with the smallest `distance`."""
    return min(points, key=lambda point: point.distance(classic, split, measure))


def points(
    progress: Callable[[str, int, int, str], None],
    devices: Sequence[str] = DEVICES,
    links: Sequence[float] = LINKS,
    servers: Sequence[float] = SERVERS,
) -> Iterator[Point]:
    """Yield every setting of the map, reporting (phase, done, total, what is next) to `progress`."""
    settings = list(product(devices, servers, links))
    for done, (name, server_x, link) in enumerate(settings):
        setting = f"{name}, {link:g} Mbit/s, server x{server_x:g}"
        progress("reproducing ecofed", done, len(settings), setting)
        yield _point(name, link, server_x)
    progress("reproducing ecofed", len(settings), len(settings), "")


def _point(name: str, link: float, server_x: float) -> Point:
    rate = f"{link} Mbit/s"
    clients = f"{{device: {name}, count: 100, link: {{up: {rate}, down: {rate}, delay: 2 ms}}}}"
    found = played(
        "ecofed_headline",
        {"server": device(SERVER).faster(server_x)},
        [
            f"topology={{star: {{server: {{device: server, slots: 1}}, clients: [{clients}]}}}}",
            "training.rounds=2",
            "methods=[classic_fl, splitfed, {ecofed: {init: random}}]",
        ],
    )
    return Point(
        name,
        link,
        server_x,
        makespan=_ratios(found, seconds_per_round),
        additive=_ratios(found, additive_seconds),
    )


def _ratios(
    found: Mapping[str, MethodResult], seconds: Callable[[MethodResult], float]
) -> tuple[float, float]:
    ecofed = seconds(found["ecofed"])
    return seconds(found["classic_fl"]) / ecofed, seconds(found["splitfed"]) / ecofed

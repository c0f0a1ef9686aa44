"""Time ratios of classic FL and SplitFed to EcoFed over devices, links and servers."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from cutlayer.sim.papers.worlds import additive_seconds, played, seconds_per_round
from cutlayer.sim.results.method import MethodResult

Measure = Literal["makespan", "additive"]

# (against classic FL, against SplitFed)
HEADLINES: Final = {"v2": (25.66, 2.83), "v3": (21.0, 2.86)}
DEVICES: Final = ("raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5")
Link = tuple[float, float]  # Mbit/s up and down, of each client by itself
# The group's own presets in PiPar's public code (github.com/blessonvar/PipeLearn, a53421e).
PRESETS: Final[Mapping[str, Link]] = {"4G": (10.24, 25.6), "Wi-Fi": (51.2, 51.2)}
LINKS: Final[Sequence[Link]] = (
    *((rate, rate) for rate in (2, 5, 10, 20, 35, 50, 75, 100)),
    *PRESETS.values(),
)
SERVERS: Final = (1, 4, 16, 64)  # speed over a virtual machine of 8 cores, one job at a time
SERVER: Final = "server-8-core"
STACK: Final = "pytorch-python-loader"  # as in the shipped scenario


@dataclass(frozen=True)
class Point:
    """A setting and its time ratios, by makespan and by EcoFed's additive mean."""

    device: str
    up_mbit: float
    down_mbit: float
    server_x: float
    makespan: tuple[float, float]
    additive: tuple[float, float]

    def __str__(self) -> str:
        return _setting(self.device, self.link, self.server_x)

    @property
    def link(self) -> Link:
        """The rates up and down, Mbit/s."""
        return self.up_mbit, self.down_mbit

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
    links: Sequence[Link] = LINKS,
    servers: Sequence[float] = SERVERS,
) -> Iterator[Point]:
    """Yield every setting of the map, reporting (phase, done, total, what is next) to `progress`."""
    settings = list(product(devices, servers, links))
    for done, (name, server_x, link) in enumerate(settings):
        setting = _setting(name, link, server_x)
        progress("reproducing ecofed", done, len(settings), setting)
        yield _point(name, link, server_x)
    progress("reproducing ecofed", len(settings), len(settings), "")


def _setting(device: str, link: Link, server_x: float) -> str:
    up, down = link
    rates = f"{up:g}" if up == down else f"{up:g} up and {down:g} down"
    return f"{device}, {rates} Mbit/s, server x{server_x:g}"


def _point(name: str, link: Link, server_x: float) -> Point:
    up, down = link
    rates = f"{{up: {up} Mbit/s, down: {down} Mbit/s, delay: 2 ms}}"
    clients = f"{{device: {name}, stack: {STACK}, count: 100, link: {rates}}}"
    found = played(
        "ecofed_headline",
        overrides=[
            f"devices={{server: {{device: {SERVER}, speed_factor: {server_x}}}}}",
            f"topology={{star: {{server: {{device: server, slots: 1}}, clients: [{clients}]}}}}",
            "training.rounds=2",
            "methods=[classic_fl, splitfed, {ecofed: {init: random}}]",
        ],
    )
    return Point(
        name,
        *link,
        server_x,
        makespan=_ratios(found, seconds_per_round),
        additive=_ratios(found, additive_seconds),
    )


def _ratios(
    found: Mapping[str, MethodResult], seconds: Callable[[MethodResult], float]
) -> tuple[float, float]:
    ecofed = seconds(found["ecofed"])
    return seconds(found["classic_fl"]) / ecofed, seconds(found["splitfed"]) / ecofed

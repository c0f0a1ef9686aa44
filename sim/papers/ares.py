"""The testbed of ARES (RES-Things): VGG5 on a Raspberry Pi and a Jetson Nano, whole and cut.

github.com/ricsamikwa/RES-Things: CIFAR-10, batches of 100, 50 iterations a round, Wi-Fi of about
76 Mbit/s, cut after the first pooling. The table has the numbers of the shipped scenario, also with
another server.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.validate.comparison import Compared
from cutlayer.sim.validate.table import Fitted, Line, Table
from cutlayer.sim.validate.validate import validate
from cutlayer.topologies import catalogue

SOURCE: Final = "github.com/ricsamikwa/RES-Things"
SCENARIO: Final = "res_things_vgg5"
STACK: Final = "res-things"
MEASURED: Final = Path(__file__).parent / "testbeds" / "ares.csv"
ITERATIONS: Final = 50  # of a round
LINK: Final = 76e6  # bit/s
MESSAGE_BYTES: Final = 3_276_800  # of an activation or its gradient
SERVERS: Final = ("laptop-8-core", "server-8-core")  # candidates: the real one is unknown
NANO: Final = "jetson-nano"


def table() -> Table:
    """Return VGG5's iterations, whole (fitted) and cut (predicted)."""
    lines = list(_whole_lines())
    for server in SERVERS:
        lines += [_cut_line(one, server) for one in _compared(server) if one.row.what != "train"]
    lines.sort(key=lambda line: NANO in line.quantity)  # by device, in this order
    stack = catalogue.stack(STACK)
    factors = f"x{stack.gemm_forward:g}, x{stack.gemm_backward:g}, x{stack.other:g}"
    cut_s = next(line.published or 1.0 for line in lines if _is_cut(line) and NANO in line.quantity)
    needed = 16 * MESSAGE_BYTES / cut_s / 1e6
    return Table(
        "ares",
        "ARES' testbed: VGG5 whole and cut, batches of 100, Wi-Fi of 76 Mbit/s",
        tuple(lines),
        (
            Fitted("products forward, backward, the rest", factors, "VGG5 whole on the Pi, 3.57 s"),
            Fitted("rate of the Jetson Nano", "60 GFLOP/s", "VGG5 whole on it, 0.116 s"),
        ),
        (
            f"The numbers are those of cutlayer run {SCENARIO}: the Pi's software is the stack {STACK}"
            " of the catalogue. The board is probably a Pi 3B or 3B+.",
            "The Jetson Nano's row cannot match: an activation and its gradient are 6.55 MB, so that the"
            f" published 0.444 s require over {needed:.0f} Mbit/s, more than the link of 76 Mbit/s.",
            "The Pi's cut iteration leaves 1.24 s for computation besides 0.69 s on the link. The"
            " stack's factors, fitted to one time of the whole model, give the first block too much.",
        ),
    )


def _compared(server: str) -> tuple[Compared, ...]:
    """Return the logs beside the scenario with a server."""
    loaded = load_scenario(SCENARIO, [f"topology.star.server.device={server}"])
    return validate(MEASURED, loaded).compared


def _whole_lines() -> Iterator[Line]:
    """Yield the iterations of the whole model, which need no server."""
    for one in _compared(SERVERS[0]):
        line = one.line
        if one.row.what == "train":
            assert line.published is not None, "every row of the file has seconds"
            assert line.simulated is not None, "every row has a prediction"
            name = f"VGG5 on {_device(one)}, whole"
            ours, published = line.simulated / ITERATIONS, line.published / ITERATIONS
            yield Line(name, "s", published, "fitted", ours, SOURCE)


def _cut_line(one: Compared, server: str) -> Line:
    name = f"VGG5 on {_device(one)}, cut after pooling, server {server}"
    air, note = 16 * MESSAGE_BYTES / LINK, "the real server is unknown"
    if one.line.published is not None and one.line.published < air:
        note += f"; both messages need {air:.2f} s at {LINK / 1e6:.0f} Mbit/s"
    return replace(one.line, quantity=name, source=SOURCE, note=note, within=0.10)


def _is_cut(line: Line) -> bool:
    return "cut" in line.quantity


def _device(one: Compared) -> str:
    assert one.row.client is not None, "every row of the file names its client"
    return one.row.client.rpartition("-")[0]

"""The testbed of EDPFL: two Raspberry Pi 4 and a laptop on one Wi-Fi medium (raw logs).

github.com/wonderDiWu/EDPFL_IEEE_Seasonal_School_2026, dbac3d9: ResNet12 on CIFAR-10, 500 samples for
each of two clients, batches of 20, int8, period 2. The table has the numbers of the shipped scenario.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from cutlayer.models.outline import outline
from cutlayer.models.spec import ModelSpec
from cutlayer.sim.compute.work import DeviceWork
from cutlayer.sim.papers.worlds import played, seconds_per_round
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.validate.comparison import Compared
from cutlayer.sim.validate.table import Fitted, Line, Table
from cutlayer.sim.validate.validate import validate
from cutlayer.topologies import catalogue
from cutlayer.topologies.stack import on_stack

SOURCE: Final = "github.com/wonderDiWu/EDPFL_IEEE_Seasonal_School_2026, dbac3d9"
SCENARIO: Final = "edpfl_pi4_wifi"
STACK: Final = "edpfl"
OTHER_STACK: Final = "pytorch-python-loader"
BATCH: Final = 20
ITERATION_S: Final = 2.15  # of a round of 25; the times below include them
OFFSETS: Final = 10

MEASURED: Final = Path(__file__).parent / "testbeds" / "edpfl.csv"
ROUNDS: Final = 10  # of each log; its repeats have 5
WITHIN: Final = {"s": 0.10, "MiB": 0.005}
WITHIN_OF_TYPE: Final = 0.15  # of the times of one type of round
_NOTES: Final = {
    "classic_fl, round": "the stack was fitted to its iterations of 2.15 s",
    "splitfed, round": "both Pis start together",
    "ecofed, round": "upload and replay rounds alternate, and both are fitted",
    "ecofed, upload round": "the boards' speeds were set from its iterations of 0.158 and 0.21 s",
    "ecofed, replay round": "the stack's time of a round was set from it",
}


def table() -> Table:
    """Return the testbed's figures beside those of the shipped scenario."""
    lines = [_line(one) for one in validate(MEASURED, load_scenario(SCENARIO)).compared]
    lines.append(_offset_line(lines))
    stack = catalogue.stack(STACK)
    other_s = _iteration_s()
    factors = f"x{stack.gemm_forward:g}, x{stack.gemm_backward:g}, x{stack.other:g}"
    return Table(
        "edpfl",
        "EDPFL's testbed: two Raspberry Pi 4, ResNet12, one Wi-Fi medium of 38 Mbit/s",
        tuple(lines),
        (
            Fitted("products forward, backward, the rest", factors, "two times of an iteration"),
            Fitted("fixed time of a round", f"{stack.round_s:g} s", "the replay round, 1.19 s"),
            Fitted("the medium's rate", "38 Mbit/s", "the logs, which imply 36 to 40"),
        ),
        (
            "The numbers are those of cutlayer run edpfl_pi4_wifi: the testbed's software is the stack"
            " edpfl of the catalogue, on Raspberry Pi 4B.",
            "The two boards differ: their times of an upload iteration, 0.158 and 0.21 s, give a factor"
            " of 1.58 between their speeds.",
            f"With the stack {OTHER_STACK}, a Pi 4B takes {other_s:.2f} s for the iteration that took"
            f" {ITERATION_S} s here: this testbed trains {ITERATION_S / other_s:.1f} times slower.",
        ),
    )


def _iteration_s() -> float:
    """Return the seconds of an iteration of ResNet12 on a Pi 4B with another stack."""
    profile = on_stack(catalogue.device("raspberry-pi-4b"), catalogue.stack(OTHER_STACK))
    blocks = outline(ModelSpec("resnet12", 10)).blocks
    return DeviceWork(profile, blocks, None, 1, state_slots=1).train(BATCH).seconds


def _line(one: Compared) -> Line:
    line, row = one.line, one.row
    name, within = line.quantity, WITHIN[line.unit] if row.round_type is None else WITHIN_OF_TYPE
    note = _NOTES.get(name, "")
    if row.round_type is None and row.count < ROUNDS:
        name, note = f"{name}, repeat of {row.count} rounds", ""
    return replace(line, quantity=name, source=SOURCE, note=note, within=within)


def _offset_line(lines: Sequence[Line]) -> Line:
    """Return SplitFed's mean round time over start offsets of the second Pi, up to an iteration."""
    published = next(line.published for line in lines if line.quantity == "splitfed, round")
    assert published is not None, "every row of the file has seconds"
    devices = {
        name: own.named(name) for name, own in load_scenario(SCENARIO).scenario.devices.items()
    }
    other = devices["pi-b"]
    rounds = []
    for number in range(OFFSETS):
        offset = number * (published / 25 / OFFSETS)
        late = replace(other, round_overhead_s=other.round_overhead_s + offset)
        overrides = ["methods=[splitfed]", "training.rounds=1"]
        result = played(SCENARIO, {**devices, "pi-b": late}, overrides)["splitfed"]
        rounds.append(seconds_per_round(result))
    note = f"from {min(rounds):.2f} to {max(rounds):.2f} s, the later start included"
    name, mean = f"splitfed, mean over {OFFSETS} start offsets", sum(rounds) / len(rounds)
    return Line(name, "s", published, "predicted", mean, SOURCE, note, within=0.10)

"""The testbed of EDPFL: two Raspberry Pi 4 and a laptop on one Wi-Fi medium (raw logs).

github.com/wonderDiWu/EDPFL_IEEE_Seasonal_School_2026, dbac3d9: ResNet12 on CIFAR-10, 500 samples for
each of two clients, batches of 20, int8, period 2. The table has the numbers of the shipped scenario.
"""

from dataclasses import replace
from typing import Final

from cutlayer.sim.papers.worlds import mib_per_round, played, seconds_per_round
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.validate.table import Fitted, Kind, Line, Table
from cutlayer.topologies import catalogue

SOURCE: Final = "github.com/wonderDiWu/EDPFL_IEEE_Seasonal_School_2026, dbac3d9"
SCENARIO: Final = "edpfl_pi4_wifi"
STACK: Final = "edpfl"
ITERATION_S: Final = 2.15  # of a round of 25; the times below include them
OFFSETS: Final = 10

ROUNDS: Final = {  # label: (seconds a round, MiB a round over both clients and directions)
    "classic_fl": (58.12, 19.41),
    "splitfed": (32.33, 125.10),
    "ecofed": (3.85, 7.84),
}
ROUND_TYPES: Final = {"upload": 6.51, "replay": 1.19}
_NOTES: Final = {
    "classic_fl": "the stack was fitted to its iterations of 2.15 s",
    "splitfed": "both Pis start together; a repeat of five rounds took 30.66 s",
    "ecofed": "upload and replay rounds alternate; the replay round is fitted",
}


def table() -> Table:
    """Return the testbed's figures beside those of the shipped scenario."""
    found = played(SCENARIO)
    lines = []
    for label, (seconds, mib) in ROUNDS.items():
        kind: Kind = "fitted" if label == "classic_fl" else "predicted"
        ours = seconds_per_round(found[label])
        name, volume = f"{label}, bytes of a round", mib_per_round(found[label])
        lines += [
            Line(f"{label}, round", "s", seconds, kind, ours, SOURCE, _NOTES[label], within=0.10),
            Line(name, "MiB", mib, "predicted", volume, SOURCE, within=0.005),
        ]
    for round_type, seconds in ROUND_TYPES.items():
        replay = round_type == "replay"
        kind = "fitted" if replay else "predicted"
        note = "the stack's time of a round was set from it" if replay else ""
        ours = seconds_per_round(found["ecofed"], round_type)
        name = f"ecofed, {round_type} round"
        lines.append(Line(name, "s", seconds, kind, ours, SOURCE, note, within=0.15))
    lines.append(_offset_line())
    stack = catalogue.stack(STACK)
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
            f"With the stack of other PyTorch programs, a Pi 4B takes 0.49 s for the iteration that took"
            f" {ITERATION_S} s here: this testbed trains four times slower.",
        ),
    )


def _offset_line() -> Line:
    """Return SplitFed's mean round time over start offsets of the second Pi, up to an iteration."""
    published = ROUNDS["splitfed"][0]
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

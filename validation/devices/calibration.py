"""A recorded campaign of `cutlayer calibrate`: times of probes and of held-out cases, as a CSV file.

    python validation/devices/calibration.py FILE.csv

records this machine in 9 minutes. calibration.csv has, for each job, the medians of 3 passes; `noise` is
the mean deviation of the passes from their median.
"""

import csv
import sys
from pathlib import Path
from typing import Final

from cutlayer.sim.calibrate.campaign import Measured, Timed, measure
from cutlayer.sim.calibrate.errors import noise
from cutlayer.sim.calibrate.held_out import HELD_OUT, Case
from cutlayer.sim.calibrate.probes import PROBES
from cutlayer.sim.calibrate.timing import BlockTimes, Passes

RECORDED: Final = Path(__file__).with_name("calibration.csv")
COLUMNS: Final = ("job", "model", "part", "cut", "batch_size", "what", "seconds", "noise")
PARTS_OF_STEP: Final = ("forward", "backward", "step", "rest")


def record(path: Path, measured: Measured) -> None:
    """Write the medians of a campaign."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for (name, batch), timed in sorted(measured.probes.items()):
            job = ("probe", name)
            for what in PARTS_OF_STEP:
                rows.writerow((*job, "whole", "", batch, what, f"{timed.seconds(what):.4g}", ""))
            for index in range(len(timed.blocks[0][0].forward)):
                times = zip(PARTS_OF_STEP, timed.block_seconds(index), strict=False)
                for what, seconds in times:
                    rows.writerow((*job, "block", index, batch, what, f"{seconds:.4g}", ""))
        for case in HELD_OUT:
            timed = measured.cases[case]
            where = (case.part, case.cut, case.batch_size, "total")
            figures = (f"{timed.seconds('total'):.4g}", f"{noise(timed):.4f}")
            rows.writerow(("case", case.model, *where, *figures))


def recorded(path: Path = RECORDED) -> tuple[Measured, dict[Case, float]]:
    """Return the campaign with one pass over each job, and the repeat noise of each case."""
    measured, noises = Measured(passes_made=1), {}
    passes: dict[tuple[str, int], dict[str, float]] = {}
    blocks: dict[tuple[str, int], dict[str, list[float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            batch, seconds = int(row["batch_size"]), float(row["seconds"])
            key = (row["model"], batch)
            if row["job"] == "case":
                case = next(
                    one
                    for one in HELD_OUT
                    if (one.model, one.batch_size, one.part, one.cut)
                    == (*key, row["part"], int(row["cut"]))
                )
                timed = Timed([[Passes(seconds, 0.0, 0.0, 0.0)]])
                measured.cases[case], noises[case] = timed, float(row["noise"])
            elif row["part"] == "whole":
                passes.setdefault(key, {})[row["what"]] = seconds
            else:
                blocks.setdefault(key, {}).setdefault(row["what"], []).append(seconds)
    for key, times in passes.items():
        by_block = BlockTimes(*(tuple(blocks[key][what]) for what in ("forward", "backward")))
        measured.probes[key] = Timed([[Passes(**times)]], [[by_block]])
    return measured, noises


def _progress(phase: str, done: int, total: int, what: str) -> None:
    print(f"{phase} {done}/{total} {what}", file=sys.stderr)


if __name__ == "__main__":
    campaign = measure(PROBES, HELD_OUT, threads=1, passes=3, budget_s=540, progress=_progress)
    record(Path(sys.argv[1]), campaign)

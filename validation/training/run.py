"""Compare real split training between two processes in shaped namespaces with Cutlayer.

    cutlayer calibrate --threads 1 --out profile.yaml
    sudo python validation/training/run.py --profile profile.yaml [--repeats 2] [--csv FILE]

Takes about 15 minutes, needs root, `ip` and `tc` (iproute2) and two cores, and prints a table in
Markdown. The profile does not use these measurements.
"""

import argparse
import csv
import os
import platform
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "sockets"))  # after this folder's names

from cases import CASES, METHODS, QUICK
from compare import Comparison, compare, mean_error, rows, table
from measured import Run, play
from predicted import rounds
from shaped import CannotShapeError


def played(profile: Path, *, repeats: int, counted: int, quick: bool) -> list[Comparison]:
    """Run all cases `repeats` times, interleaved, so that a slow moment of the machine affects all."""
    plan = [(case, method) for case in (QUICK if quick else CASES) for method in METHODS]
    predictions = [
        rounds(case, method, profile) for case, method in plan
    ]  # before anything is timed
    runs: list[list[Run]] = [[] for _ in plan]
    for repeat in range(repeats):
        for index, (case, method) in enumerate(plan):
            print(f"run {repeat + 1} of {repeats}: {case}, {method}", file=sys.stderr, flush=True)
            runs[index].append(play(case, method, counted))
    return [
        found
        for (case, method), real, said in zip(plan, runs, predictions, strict=True)
        for found in compare(case, method, real, said)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="one small case")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    try:
        found = played(
            options.profile, repeats=options.repeats, counted=options.rounds, quick=options.quick
        )
    except CannotShapeError as error:
        sys.exit(f"cannot shape a network here: {error}")
    print(table(found))
    noise = sum(one.noise for one in found) / len(found)
    print(f"\nMean error per round: {mean_error(found):.1%} (rounds differ by {noise:.1%}).")
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores.")
    if options.csv is not None:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows(found))


if __name__ == "__main__":
    main()

"""Compare real TCP over real sockets in shaped namespaces with Cutlayer.

    sudo python validation/sockets/run.py [--repeats 3] [--csv FILE]

Takes about five minutes, needs root, `ip` and `tc` (iproute2), and prints a table in Markdown. Cases
with several transfers run twice: with one first-in-first-out queue, and with one queue per client.
"""

import argparse
import csv
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import measured
from cases import ALL, Case
from compare import Comparison, compare, mean_error, mean_last_error
from shaped import CannotShapeError

TOGETHER = ("sharing", "staggered", "star")


def queues(case: Case) -> tuple[str, ...]:
    return ("fifo", "fair") if case.kind in TOGETHER else ("fifo",)


def play(repeats: int) -> list[Comparison]:
    """Run all cases `repeats` times, interleaved, so that a slow moment of the machine affects all."""
    plan = [(case, queue) for case in ALL for queue in queues(case)]
    ends: list[list[list[float]]] = [[] for _ in plan]
    for repeat in range(repeats):
        for index, (case, queue) in enumerate(plan):
            print(f"run {repeat + 1} of {repeats}: {case.name}, {queue}", file=sys.stderr)
            ends[index].append(measured.ends(case, fair=queue == "fair"))
    return [compare(case, queue, runs) for (case, queue), runs in zip(plan, ends, strict=True)]


def table(comparisons: list[Comparison]) -> str:
    lines = [
        "| case | queue | measured (s) | predicted (s) | error of each | of the last |",
        "|---|---|---|---|---|---|",
    ]
    for found in comparisons:
        measured_s = ", ".join(f"{end:.3f}" for end in found.measured_s)
        predicted_s = ", ".join(f"{end:.3f}" for end in found.predicted_s)
        errors = ", ".join(f"{100 * error:+.1f} %" for error in found.errors)
        last = f"{100 * found.last_error:+.1f} %"
        cells = (found.case.name, found.queue, measured_s, predicted_s, errors, last)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(comparisons: list[Comparison]) -> str:
    lines = ["| cases | queue | mean error of a transfer | of a case's last |", "|---|---|---|---|"]
    kinds = {(c.case.kind, c.queue): None for c in comparisons}
    for kind, queue in kinds:
        some = [c for c in comparisons if (c.case.kind, c.queue) == (kind, queue)]
        lines.append(
            f"| {kind} | {queue} | {100 * mean_error(some):.1f} % "
            f"| {100 * mean_last_error(some):.1f} % |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--csv", type=Path, default=None)
    options = parser.parse_args()
    try:
        comparisons = play(options.repeats)
    except CannotShapeError as error:
        print(f"cannot be run here: {error}", file=sys.stderr)
        return 2
    print(
        f"Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} cores,"
    )
    print(f"CUBIC, {options.repeats} runs of each, medians\n")
    print(summary(comparisons), table(comparisons), sep="\n\n")
    if options.csv is not None:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["kind", "case", "queue", "transfer", "measured_s", "predicted_s"])
            for c in comparisons:
                for index, pair in enumerate(zip(c.measured_s, c.predicted_s, strict=True)):
                    rows.writerow([c.case.kind, c.case.name, c.queue, index, *pair])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

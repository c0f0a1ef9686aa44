"""A benchmark of seven networks on a Raspberry Pi 4 and four on a Pi 5: fitted, and left out of the fit.

github.com/jafermarq/federated-embedded-vision, 17ecd8b: PyTorch on the CPU, images of 224x224, batches
of 16, SGD without momentum. `train` is a whole step, `finetune` a forward pass with a step of the last
layer. Both include the loader: the stack is `pytorch-jpeg-loader`.
"""

import csv
from pathlib import Path
from statistics import fmean, median
from typing import Final

from cutlayer.sim.calibrate.adjust import predicted
from cutlayer.sim.calibrate.timed_csv import read_iterations
from cutlayer.sim.validate.table import Fitted, Line, Table, absolute_errors
from cutlayer.topologies import catalogue

SOURCE: Final = "github.com/jafermarq/federated-embedded-vision, 17ecd8b"
FOLDER: Final = Path(__file__).parent / "testbeds"
MEASURED: Final = FOLDER / "benchmark_pi.csv"
LEFT_OUT: Final = FOLDER / "benchmark_pi_left_out.csv"  # of validation/devices/benchmark_pi.py
STACK: Final = "pytorch-jpeg-loader"
NAMES: Final = {"step": "train", "finetune": "finetune"}


def table() -> Table:
    """Return each published time beside the catalogue's, and beside a fit without its network."""
    others, lines = _left_out(), []
    for one in read_iterations(MEASURED):
        row = one.row
        pass_ = row.what.split()[-1]
        name = f"{one.device}, {row.network}, {NAMES[pass_]}"
        ours = predicted(catalogue.device(one.device), catalogue.stack(STACK), row)
        other = others[one.device, row.network, pass_]
        lines += [
            Line(name, "s", row.seconds, "fitted", ours, SOURCE),
            Line(f"{name}, left out", "s", row.seconds, "predicted", other, SOURCE),
        ]
    stack = catalogue.stack(STACK)
    return Table(
        "benchmark-pi",
        "Raspberry Pi 4 and 5: seven networks at 224x224, whole steps and finetuning",
        tuple(lines),
        (
            Fitted("figures of the Pi 4B", "11", "these rows, and two other stacks' rows"),
            Fitted("figures of the Pi 5", "11", "its rows, from twice those of a Pi 4B"),
            Fitted("loader", f"{1e3 * stack.loader_s_per_sample:.1f} ms a sample", "these rows"),
        ),
        (
            "Left out: the figures are fitted to all rows but those of the network in question, on both"
            " boards; the time is then predicted.",
            *(
                f"Mean error on a {board}: {_errors(lines, board, 'fitted')} fitted;"
                f" {_errors(lines, board, 'predicted')} left out."
                for board in ("raspberry-pi-4b", "raspberry-pi-5")
            ),
        ),
    )


def _left_out() -> dict[tuple[str, str, str], float]:
    with LEFT_OUT.open(encoding="utf-8", newline="") as file:
        return {
            (row["device"], row["model"], row["pass"]): float(row["seconds"])
            for row in csv.DictReader(file)
        }


def _errors(lines: list[Line], board: str, kind: str) -> str:
    own = [one for one in lines if one.quantity.startswith(board) and one.kind == kind]
    texts = []
    for pass_ in NAMES.values():
        errors = absolute_errors(line for line in own if f", {pass_}" in line.quantity)
        texts.append(f"{fmean(errors):.1%} (median {median(errors):.1%}) {pass_}")
    return ", ".join(texts)

"""Predict each network of the benchmark of Raspberry Pis by a fit on the others, and write the result.

    python validation/devices/benchmark_pi.py

The file that it writes belongs to the table `cutlayer reproduce benchmark-pi`. A network is left out of
all rows that the catalogue's figures were fitted to; for the Pi 5, of its own rows and the Pi 4B's.
"""

import csv
from pathlib import Path
from typing import Final

from compare_forms import pi_5_left_out
from fit_catalogue import pi_left_out

BENCHMARK: Final = "pytorch-jpeg-loader"
FILE: Final = (
    Path(__file__).parents[2] / "sim" / "papers" / "testbeds" / "benchmark_pi_left_out.csv"
)


def left_out() -> list[tuple[str, str, str, float]]:
    """Return device, model, pass and predicted seconds of every row of the benchmark."""
    found = [
        ("raspberry-pi-4b", row.network, row.what.split()[-1], seconds)
        for row, seconds in pi_left_out().items()
        if row.stack == BENCHMARK
    ]
    found += [
        ("raspberry-pi-5", row.network, row.what.split()[-1], row.seconds * (1 + error))
        for row, error in pi_5_left_out().errors.items()
    ]
    return found


if __name__ == "__main__":
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("device", "model", "pass", "seconds"))
        for *names, seconds in left_out():
            writer.writerow((*names, f"{seconds:.4g}"))

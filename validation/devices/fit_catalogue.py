"""Fit the figures of the catalogue's devices and stacks to public rows, and print their errors.

    python validation/devices/fit_catalogue.py

rows.csv has the rows; docs/validation/device-form.md names their sources. The figures that are printed
are those of the catalogue.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import Final

from cutlayer.sim.calibrate.adjust import Adjusted, Freedom, adjust, left_out
from cutlayer.sim.calibrate.timed_csv import TimedIteration, read_iterations
from cutlayer.sim.calibrate.timed_rows import TimedRow
from cutlayer.topologies import DeviceProfile, PassRates, Stack
from cutlayer.topologies.figures import figures_of

ROWS: Final = Path(__file__).with_name("rows.csv")
NO_TIME: Final = PassRates(1e12, 1e12)  # of operations that only move memory

# Where the figures of a small ARM board are expected, and the standard deviations of their logarithms.
BOARD: Final = DeviceProfile(
    name="board",
    description="",
    rates={
        "conv": PassRates(20e9, 20e9),
        "depthwise": PassRates(0.5e9, 0.5e9),
        "norm": NO_TIME,
        "elementwise": NO_TIME,
        "pool": NO_TIME,
    },
    fallback={"linear": "conv"},
    memory_bandwidth_bytes_per_s=2e9,
    optimizer_bytes_per_s=1.49e9,
    layer_overhead_s=1e-4,
    iteration_overhead_s=0.0,
    loader_s_per_iteration=0.0,
    memory_bytes=None,
    weight_stream_bytes_per_s=PassRates(2e9, 2e9),
    column_bytes_per_s=PassRates(1e9, 1e9),
    host_speed=1.0,
)
FREE: Final = {
    "rates.conv.forward": 0.3,
    "rates.conv.backward": 0.3,
    "rates.depthwise.forward": 1.0,
    "rates.depthwise.backward": 1.0,
    "weight_stream.forward": 1.0,
    "weight_stream.backward": 1.0,
    "columns.forward": 1.5,
    "columns.backward": 1.5,
    "memory_bandwidth": 0.5,
    "layer_overhead": 0.3,
    "optimizer_bandwidth": 0.3,
}
# The same of an x86 machine with 8 cores.
MACHINE: Final = replace(
    BOARD,
    rates={**BOARD.rates, "conv": PassRates(150e9, 150e9), "depthwise": PassRates(5e9, 5e9)},
    memory_bandwidth_bytes_per_s=1e10,
    optimizer_bytes_per_s=2.6e10,
    weight_stream_bytes_per_s=PassRates(5e10, 5e10),
    column_bytes_per_s=PassRates(1e10, 1e10),
    layer_overhead_s=2e-5,
)
FACTORS: Final = {"gemm_forward": 0.4, "gemm_backward": 0.4, "other": 0.4}
LOADER: Final = {"loader_s_per_sample": 1.5}
# Figures of the Pi are those of the second of these stacks, without its loader.
STACKS: Final = {
    "libtorch": Stack("libtorch"),
    "pytorch-jpeg-loader": Stack("pytorch-jpeg-loader", loader_s_per_sample=0.02),
    "pytorch-python-loader": Stack(
        "pytorch-python-loader", loader_s_per_sample=0.001, loop_s_per_iteration=0.02
    ),
}
FREE_STACKS: Final = {
    "libtorch": FACTORS,
    "pytorch-jpeg-loader": LOADER,
    "pytorch-python-loader": {**FACTORS, **LOADER, "loop_s_per_iteration": 1.0},
}


@cache
def public_rows() -> list[TimedIteration]:
    """Return the rows of rows.csv; those of models outside the catalogue take seconds."""
    return read_iterations(ROWS)


def rows_of(device: str, *stacks: str) -> list[TimedRow]:
    """Return the rows of a device, of some stacks or of all."""
    return [
        one.row
        for one in public_rows()
        if one.device == device and (not stacks or one.row.stack in stacks)
    ]


def fitted_pi() -> tuple[Adjusted, list[TimedRow]]:
    """Return the Raspberry Pi 4B with its stacks, and the rows that they were fitted to."""
    rows = rows_of("raspberry-pi-4b", *STACKS)
    return adjust(BOARD, STACKS, rows, Freedom(FREE, FREE_STACKS)), rows


def pi_left_out() -> dict[TimedRow, float]:
    """Return the prediction of each row of the Pi 4B by a fit on the other networks."""
    rows = rows_of("raspberry-pi-4b", *STACKS)
    return left_out(BOARD, STACKS, rows, Freedom(FREE, FREE_STACKS))


def fitted_pi_5(pi: Adjusted, without: str = "none") -> tuple[Adjusted, list[TimedRow]]:
    """Return the Raspberry Pi 5: twice a Pi 4B, with each figure moved to its rows.

    Rows of networks whose name has `without` in it are left out.
    """
    rows = [row for row in rows_of("raspberry-pi-5") if without not in row.network]
    twice = replace(pi.device.faster(2), host_speed=2.0)
    return adjust(twice, pi.stacks, rows, Freedom(dict.fromkeys(FREE, 0.2), {})), rows


def fitted_machine(name: str) -> tuple[Adjusted, list[TimedRow]]:
    """Return a machine with 8 cores, from the layers of VGG19."""
    rows = [replace(row, stack="", weight=0.5) for row in rows_of(name)]
    return adjust(MACHINE, {}, rows, Freedom(FREE, {})), rows


def fitted_stack(
    pi: Adjusted, device: str, name: str, speed: float
) -> tuple[Adjusted, list[TimedRow]]:
    """Return the stack of one testbed, whose board is `speed` times as fast as a Pi 4B."""
    rows = rows_of(device, name)
    free = {name: dict.fromkeys(FACTORS, 0.7)}
    board = replace(pi.device.faster(speed), host_speed=speed)
    return adjust(board, {name: Stack(name)}, rows, Freedom({}, free)), rows


def relative_errors(predicted: dict[TimedRow, float], what: str) -> list[float]:
    """Return the relative errors of rows of a kind, such as "step"."""
    return [
        seconds / row.seconds - 1 for row, seconds in predicted.items() if row.what.endswith(what)
    ]


def _print(title: str, found: Adjusted, rows: list[TimedRow]) -> None:
    print(f"\n{title}")
    deviations = dict(zip(found.names, found.covariance.diagonal() ** 0.5, strict=True))
    for name, figure in figures_of(found.device).items():
        if name in deviations:
            print(f"  {name:26} {figure:9.3g}   +- {deviations[name]:.0%} of its logarithm")
    for stack in found.stacks.values():
        print(
            f"  stack {stack.name}: forward x{stack.gemm_forward:.2f}, backward"
            f" x{stack.gemm_backward:.2f}, other x{stack.other:.2f}, loader"
            f" {1e3 * stack.loader_s_per_sample:.2f} ms a sample, loop"
            f" {1e3 * stack.loop_s_per_iteration:.1f} ms"
        )
    for row in rows:
        error = found.seconds(row) / row.seconds - 1
        print(f"  {row.network:18} {row.what:18} {row.stack:22} {row.seconds:8.3f} s {error:+5.0%}")


if __name__ == "__main__":
    pi, pi_rows = fitted_pi()
    _print("raspberry-pi-4b", pi, pi_rows)
    predictions = pi_left_out()
    for kind in ("step", "finetune"):
        off = [abs(one) for one in relative_errors(predictions, kind)]
        print(f"  networks left out, {kind}: mean {fmean(off):.1%}, median {median(off):.1%}")
    _print("raspberry-pi-5", *fitted_pi_5(pi))
    for machine in ("server-8-core", "laptop-8-core"):
        _print(machine, *fitted_machine(machine))
    for name in ("edpfl", "pytorch-one-thread"):
        _print(name, *fitted_stack(pi, "raspberry-pi-4b", name, 1.0))
    _print("res-things on a Pi 3B+", *fitted_stack(pi, "raspberry-pi-3b-plus", "res-things", 0.435))

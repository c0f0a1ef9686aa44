"""Compare forms of the time of a layer by their errors on networks that were left out of the fit.

    python validation/devices/compare_forms.py

prints the table of docs/validation/device-form.md: training steps of the Raspberry Pi 4B's rows
(rows.csv), in which a fit on all other networks predicts each network, and the held-out cases of one
campaign of `cutlayer calibrate` (calibration.csv).

This file is long because it holds every form that was compared, beside the rows of its table.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean, median
from typing import Final

import numpy as np
import torch
from calibration import recorded
from fit_catalogue import (
    BOARD,
    FACTORS,
    FREE,
    FREE_STACKS,
    MACHINE,
    ROWS,
    STACKS,
    public_rows,
    rows_of,
)
from old_form import (
    PI_LOADER_S,
    PI_OPTIMIZER,
    Piece,
    Roofline,
    is_product,
    map_sides,
    pi_seconds,
    pieces,
)

from cutlayer.models.block_cost import LayerCost
from cutlayer.models.catalogue import build
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PASSES
from cutlayer.models.own_object import beside, looking_in
from cutlayer.sim.calibrate.adjust import Freedom, adjust, left_out, predicted
from cutlayer.sim.calibrate.calibrate import fitted
from cutlayer.sim.calibrate.campaign import Measured
from cutlayer.sim.calibrate.errors import case_errors, stage_of
from cutlayer.sim.calibrate.held_out import Case
from cutlayer.sim.calibrate.observations import Observation, observations
from cutlayer.sim.calibrate.prior import MARGIN, around
from cutlayer.sim.calibrate.probes import CLASSES, probe
from cutlayer.sim.calibrate.solve import solve
from cutlayer.sim.calibrate.timed_rows import TimedRow
from cutlayer.topologies import DeviceProfile, PassRates, Stack
from cutlayer.topologies.catalogue import device, stack, stack_names

SHARED: Final = ("pytorch-jpeg-loader", "pytorch-python-loader")  # stacks with several networks
SHARPNESS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0, math.inf)
SGD_WORDS: Final = 3
# Terms that are taken away from the new form.
NO_STREAM: Final = {"weight_stream_bytes_per_s": None}
NO_COLUMNS: Final = {"column_bytes_per_s": None}
TERMS: Final[dict[str, dict[str, None]]] = {
    "new form without weight streams and columns": NO_STREAM | NO_COLUMNS,
    "new form without weight streams": NO_STREAM,
    "new form without columns": NO_COLUMNS,
    "new form": {},
}
LINEAR: Final = "new form, linear layers with rates of their own"
ONE_THREAD: Final = "pytorch-one-thread"
# One thread of four has a quarter of the speed: large products scale almost with the cores.
QUARTER: Final = Stack(ONE_THREAD, gemm_forward=4.0, gemm_backward=4.0)
LONG: Final = 0.4  # weight of BERT's ten rows, which are one network


@dataclass(frozen=True)
class Result:
    """A form and the relative error of each row that shares its stack with another network."""

    form: str
    errors: Mapping[TimedRow, float]

    def off(self, what: str = "", stack: str = "") -> list[float]:
        """Return the absolute errors of the rows of a kind ("step", "finetune") and stack."""
        return [
            abs(error)
            for row, error in self.errors.items()
            if row.what.endswith(what) and row.stack.endswith(stack)
        ]


# A device on which an amount of 1 costs a second, for forms whose times of products and of everything
# else are amounts of their own.
SECONDS: Final = DeviceProfile(
    name="seconds",
    description="",
    rates=dict.fromkeys(("conv", "norm", "elementwise", "pool"), PassRates(1.0, 1.0)),
    memory_bandwidth_bytes_per_s=math.inf,
    optimizer_bytes_per_s=math.inf,
    layer_overhead_s=1.0,
    iteration_overhead_s=0.0,
    loader_s_per_iteration=0.0,
    memory_bytes=None,
    host_speed=1.0,
)


def compared() -> list[Result]:
    """Return the errors of all forms on the training steps of the Raspberry Pi 4B."""
    rows, old = _rows(), _old_rows()
    one_speed = [replace(row, amounts={"rates.conv.forward": _flops(row)}) for row in rows]
    speed = Freedom({"rates.conv.forward": 3.0}, {})
    at_first = replace(SECONDS, rates={"conv": PassRates(5e9, 5e9)})
    return [
        _result("one speed for everything, fitted", left_out(at_first, {}, one_speed, speed)),
        _result("old form as shipped", {row: predicted(SECONDS, None, row) for row in old}),
        _result(
            "old form, three factors and a loader fitted for each stack",
            left_out(
                SECONDS,
                STACKS,
                [_without_loader(row) for row in old],
                Freedom({}, {stack: FACTORS | FREE_STACKS[stack] for stack in SHARED}),
            ),
        ),
        *(
            _result(form, left_out(replace(BOARD, **changes), STACKS, rows, _freedom()))
            for form, changes in TERMS.items()
        ),
        _result(LINEAR, _with_linear_rates()),
    ]


def _with_linear_rates() -> dict[TimedRow, float]:
    """Return predictions with rates of their own for linear layers, which BERT's rows tell most of.

    BERT was timed with one thread of four, which is taken to be a quarter of the board, known to 5 %.
    """
    board = replace(BOARD, rates={**BOARD.rates, "linear": PassRates(25e9, 25e9)}, fallback={})
    rows = rows_of("raspberry-pi-4b", *STACKS)
    rows += [replace(row, weight=LONG) for row in rows_of("raspberry-pi-4b", ONE_THREAD)]
    free = {**FREE, "rates.linear.forward": 0.5, "rates.linear.backward": 0.5}
    of_thread = {"gemm_forward": 0.05, "other": 0.7}
    freedom = Freedom(free, {**FREE_STACKS, ONE_THREAD: of_thread})
    return left_out(board, {**STACKS, ONE_THREAD: QUARTER}, rows, freedom)


def _freedom() -> Freedom:
    return Freedom(FREE, FREE_STACKS)


def _result(form: str, found: Mapping[TimedRow, float]) -> Result:
    shared = {row: seconds for row, seconds in found.items() if row.stack in SHARED}
    return Result(form, {row: seconds / row.seconds - 1 for row, seconds in shared.items()})


def _rows() -> list[TimedRow]:
    return rows_of("raspberry-pi-4b", *STACKS)


def _flops(row: TimedRow) -> float:
    return sum(amount for name, amount in row.amounts.items() if name.startswith("rates."))


def _without_loader(row: TimedRow) -> TimedRow:
    overhead = row.amounts["layer_overhead"] - PI_LOADER_S
    return replace(row, amounts={**row.amounts, "layer_overhead": overhead})


def _old_rows() -> list[TimedRow]:
    """Return rows whose amounts are the seconds of the old form: products by pass, everything else."""
    with ROWS.open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    found = []
    for one in public_rows():
        if one.device != "raspberry-pi-4b" or one.row.stack not in SHARED:
            continue
        given = cells[one.line - 2]
        shape = tuple(map(int, given["input_shape"].split("x")))
        layers, sides = _network(given["model"], shape, int(given["classes"]))
        trained = layers
        if given["pass"] == "finetune":
            last = [layer for layer in layers if layer.op_class == "linear"][-1]
            trained = (replace(last, backward_flops=last.forward_flops),)
        batch = one.row.batch_size
        work = [
            *pieces(layers, sides, "forward", batch),
            *pieces(trained, sides, "backward", batch),
        ]
        parameters = sum(layer.parameters for layer in trained)
        seconds = {
            f"rates.conv.{pass_}": sum(
                pi_seconds(piece) for piece in work if is_product(piece) and piece.pass_ == pass_
            )
            for pass_ in PASSES
        }
        seconds["layer_overhead"] = (
            sum(pi_seconds(piece) for piece in work if not is_product(piece))
            + 4 * SGD_WORDS * parameters / PI_OPTIMIZER / 1e9
            + PI_LOADER_S
        )
        found.append(replace(one.row, amounts=seconds))
    return found


@cache
def _network(
    name: str, shape: tuple[int, ...], classes: int
) -> tuple[tuple[LayerCost, ...], dict[str, int]]:
    with looking_in(beside(str(ROWS))):
        model = build(name, classes=classes, input_shape=shape, seed=0, device="meta")
    return tuple(layer for cost in block_costs(model) for layer in cost.layers), map_sides(model)


@dataclass(frozen=True)
class Calibrated:
    """Relative errors on the held-out cases of a campaign, and the noise of repeats."""

    new: Mapping[Case, float]
    old: Mapping[Case, float]
    one_speed: Mapping[Case, float]
    noise: Mapping[Case, float]


def calibrated() -> Calibrated:
    """Return the errors of both forms, fitted to the probes of the recorded campaign."""
    measured, noise = recorded()
    profile = fitted("recorded", measured, 1e-5, 1).profile
    errors = {one.case: one for one in case_errors(profile, measured)}
    old = _old_predictions(measured, profile)
    return Calibrated(
        new={case: one.error for case, one in errors.items()},
        old={case: seconds / errors[case].measured_s - 1 for case, seconds in old.items()},
        one_speed={case: one.one_number_error for case, one in errors.items()},
        noise=noise,
    )


def _old_predictions(measured: Measured, profile: DeviceProfile) -> dict[Case, float]:
    """Return the old form's seconds of the cases; optimizer and rest are those of `profile`."""
    seen: list[Observation] = []
    work: list[list[Piece]] = []
    for key, timed in measured.probes.items():
        sides = _probe_sides(key[0])
        for one in observations(Measured({key: timed})):
            seen.append(one)
            work.append(list(pieces(one.layers, sides, one.pass_, one.batch_size)))
    law = Roofline(work)
    seconds = np.array([one.seconds for one in seen])
    scale = np.array([one.scale for one in seen])
    whole = np.array([one.whole for one in seen])
    speed = float(np.median((law.totals(law.flops) / seconds)[whole]))
    bandwidth = MARGIN * float(np.max(law.totals(law.moved + law.weights) / seconds))
    overhead = float(np.min(seconds / law.totals(np.ones_like(law.flops)))) / MARGIN
    prior = around([*[speed] * len(law.keys), bandwidth, bandwidth, overhead], law.alike())
    for law.sharpness in SHARPNESS:  # from smooth to the maximum, each from the last minimum
        logs = solve(law, seconds, scale, prior).logs
        prior = replace(prior, centre=logs)
    found = {}
    for case in measured.cases:
        stage = stage_of(profile, case)
        sides = _network(case.model, (3, 32, 32), CLASSES)[1]
        passes = [pieces(stage.layers, sides, pass_, case.batch_size) for pass_ in PASSES]
        rest = stage.step().seconds + profile.iteration_overhead_s
        found[case] = law.predicted(logs, [piece for some in passes for piece in some]) + rest
    return found


@cache
def _probe_sides(name: str) -> dict[str, int]:
    with torch.device("meta"):
        return map_sides(probe(name))


def layers_of_vgg19(changes: Mapping[str, None]) -> list[float]:
    """Return the mean error of VGG19's layers, which were fitted to, on the Pi, the VM and the laptop.

    `changes` to the device where a fit begins take terms away.
    """
    found = []
    for name in ("raspberry-pi-4b", "server-8-core", "laptop-8-core"):
        if name == "raspberry-pi-4b":
            rows = rows_of(name, *STACKS)
            fit = adjust(replace(BOARD, **changes), STACKS, rows, _freedom())
            rows = [row for row in rows if row.stack == "libtorch"]
        else:
            rows = [replace(row, stack="", weight=0.5) for row in rows_of(name)]
            fit = adjust(replace(MACHINE, **changes), {}, rows, Freedom(FREE, {}))
        found.append(fmean(abs(fit.seconds(row) / row.seconds - 1) for row in rows))
    return found


def pi_5_left_out() -> Result:
    """Return the errors on the Raspberry Pi 5, with each network left out of the fits of both boards."""
    errors = {}
    for network in dict.fromkeys(row.network for row in rows_of("raspberry-pi-5")):
        others = [row for row in _rows() if row.network != network]
        board = adjust(BOARD, STACKS, others, _freedom())
        rows = rows_of("raspberry-pi-5")
        others = [row for row in rows if row.network != network]
        twice = replace(board.device.faster(2), host_speed=2.0)
        fit = adjust(twice, board.stacks, others, Freedom(dict.fromkeys(FREE, 0.2), {}))
        mine = [row for row in rows if row.network == network]
        errors |= {row: fit.seconds(row) / row.seconds - 1 for row in mine}
    return Result("new form", errors)


def of_other_stacks() -> list[float]:
    """Return the errors of the catalogue's Raspberry Pis on every public step with each other stack."""
    return [
        predicted(device(one.device), stack(name), replace(one.row, stack=name)) / one.row.seconds
        - 1
        for one in public_rows()
        if one.row.what.endswith("step") and one.device.startswith("raspberry")
        for name in stack_names()
        if name != one.row.stack
    ]


def _shares(off: Sequence[float]) -> str:
    return f"{fmean(off):.1%} ({median(off):.1%})" if off else "-"


def main() -> None:
    """Print the tables."""
    heads = ("steps", "fine-tuning", "all", "steps, JPEG loader", "steps, Python loader")
    print("Raspberry Pi 4B, networks left out: mean (median) error")
    print(f"  {'':58}" + "".join(f"{head:>22}" for head in heads))
    for one in (*compared(), pi_5_left_out()):
        parts = [one.off("step"), one.off("finetune"), one.off()]
        parts += [one.off("step", stack) for stack in SHARED]
        name = one.form if len(one.errors) > 8 else f"{one.form}, Raspberry Pi 5"
        print(f"  {name:58}" + "".join(f"{_shares(off):>22}" for off in parts))
    other = [abs(error) for error in of_other_stacks()]
    print(f"  {'steps by the catalogue, with every other stack':58}{_shares(other):>22}")
    print(
        "\nVGG19's layers, fitted to: mean error on the Pi 4B, the virtual machine and the laptop"
    )
    for form, changes in TERMS.items():
        print(f"  {form:58}" + "".join(f"{error:22.1%}" for error in layers_of_vgg19(changes)))
    found = calibrated()
    print("\nHeld-out cases of cutlayer calibrate: mean (median) and largest error")
    forms = {"one speed for everything": found.one_speed, "old form": found.old}
    for form, errors in (forms | {"new form": found.new, "noise of repeats": found.noise}).items():
        off = [abs(error) for error in errors.values()]
        print(f"  {form:58}{_shares(off):>22}{max(off):22.1%}")


if __name__ == "__main__":
    main()

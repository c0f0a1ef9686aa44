"""MP-SL's VGG19 layer by layer on three machines, which the catalogue's figures were fitted to.

github.com/jtirana98/MultiHop-Federeated-Split-Learning, beef666: VGG19 on CIFAR-10 in batches of 128,
libtorch. The Raspberry Pi has the stack `libtorch`; the machines with 8 cores have figures of their own.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from cutlayer.models.features import PASSES
from cutlayer.models.outline import outline
from cutlayer.models.spec import ModelSpec
from cutlayer.sim.calibrate.adjust import predicted
from cutlayer.sim.calibrate.timed_csv import TimedIteration, read_iterations
from cutlayer.sim.compute.stage import Stage
from cutlayer.sim.compute.work import layers_of
from cutlayer.sim.validate.table import Fitted, Kind, Line, Table, absolute_errors
from cutlayer.topologies import catalogue
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.stack import on_stack

SOURCE: Final = "github.com/jtirana98/MultiHop-Federeated-Split-Learning, beef666"
MEASURED: Final = Path(__file__).parent / "testbeds" / "vgg19.csv"
BATCH: Final = 128
ADAM: Final = 2  # values of optimizer state for each parameter
PI: Final = "raspberry-pi-4b"
VM: Final = "server-8-core"
STACK: Final = "libtorch"
# Equal layers are shown together, with their mean.
GROUPS: Final = (
    *(("conv1",), ("conv2",), ("conv3",), ("conv4",), ("conv5",), ("conv6", "conv7", "conv8")),
    *(("conv9",), ("conv10", "conv11", "conv12"), ("conv13", "conv14", "conv15", "conv16")),
    *(("fc1",), ("fc2",), ("fc3",)),
)
OPTIMIZER_S: Final = {PI: 2.63, VM: 0.15, "laptop-8-core": 0.13}
BATCH_S: Final = {PI: 9.52 + 59.76, VM: 0.85 + 3.00, "laptop-8-core": 0.54 + 2.01}
_OPTIMIZER: Final = "the stack's factor on everything else, fitted to the passes, is wrong for it"
SLOWER_3B: Final = 2.3  # a Pi 3B+ against a Pi 4, VGG19


def table() -> Table:
    """Return the layers, the whole batch and the optimizer of each machine."""
    rows = read_iterations(MEASURED)
    lines = [line for name in BATCH_S for line in (*_layers(name, rows), *_batch(name))]
    slow = on_stack(catalogue.device("raspberry-pi-3b-plus"), catalogue.stack(STACK))
    ratio = _batch_s(slow) / _batch_s(_profile(PI))
    lines.append(Line("VGG19, Pi 3B+ over Pi 4", "x", SLOWER_3B, "fitted", ratio, SOURCE))
    return Table(
        "mpsl",
        "MP-SL: VGG19 layer by layer on a Raspberry Pi 4, a virtual machine and a laptop",
        tuple(lines),
        (
            Fitted("figures of the Pi 4B", "11", "these rows, and two other stacks' rows"),
            Fitted("factors of the stack libtorch", "3", "the Pi's rows of this table"),
            Fitted("figures of the VM and of the laptop", "11 each", "their rows of this table"),
            Fitted("slowness of a Pi 3B+", "2.3", "VGG19's batch"),
        ),
        (
            "But for the Pi's optimizer, nothing here is predicted: the table shows how well one form of"
            " the time of a layer describes three machines. The table benchmark-pi has networks that"
            " were left out of the fit.",
            f"Mean error of a layer's pass: {_errors(lines)}.",
            _speeds(rows),
            "The published code pools with a padding of 1, so that its maps are 32, 17, 9, 5 and 3 wide;"
            " here they are 32, 16, 8, 4 and 2. A layer includes the pooling behind it.",
        ),
    )


def _layers(name: str, rows: Sequence[TimedIteration]) -> list[Line]:
    """Return the mean milliseconds of equal layers, by pass, on a machine."""
    device = catalogue.device(name)
    lines = []
    for group in GROUPS:
        for pass_ in PASSES:
            own = [
                one.row
                for one in rows
                if one.device == name and one.row.what in {f"{part} {pass_}" for part in group}
            ]
            if not own:
                continue  # too short to be measured
            ours = fmean(
                predicted(device, catalogue.stack(row.stack) if row.stack else None, row)
                for row in own
            )
            published = fmean(row.seconds for row in own)
            part = group[0] if len(group) == 1 else f"{group[0]} to {group[-1]}"
            quantity = f"{name}, {part}, {pass_}"
            lines.append(Line(quantity, "ms", 1e3 * published, "fitted", 1e3 * ours, SOURCE))
    return lines


def _batch(name: str) -> list[Line]:
    """Return the seconds of a whole batch, and of the optimizer's step in it."""
    profile = _profile(name)
    step = _stage(profile).step().seconds
    batch = f"{name}, VGG19's batch"
    lines = [Line(batch, "s", BATCH_S[name], "fitted", _batch_s(profile), SOURCE)]
    kind: Kind = "predicted" if name == PI else "fitted"
    note = _OPTIMIZER if name == PI else ""
    optimizer = f"{name}, VGG19's optimizer"
    return [*lines, Line(optimizer, "s", OPTIMIZER_S[name], kind, step, SOURCE, note)]


def _batch_s(profile: DeviceProfile) -> float:
    """Return the seconds of both passes of a batch."""
    stage = _stage(profile)
    return stage.forward(BATCH).seconds + stage.backward(BATCH).seconds


def _stage(profile: DeviceProfile) -> Stage:
    return Stage(profile, layers_of(outline(ModelSpec("vgg19", 10)).blocks), ADAM)


def _profile(name: str) -> DeviceProfile:
    device = catalogue.device(name)
    return on_stack(device, catalogue.stack(STACK)) if name == PI else device


def _errors(lines: Iterable[Line]) -> str:
    """Return the mean error by machine and pass."""
    some = list(lines)
    return "; ".join(
        f"{name} "
        + " and ".join(
            f"{fmean(absolute_errors(_of(some, name, pass_))):.0%} {pass_}" for pass_ in PASSES
        )
        for name in BATCH_S
    )


def _of(lines: Sequence[Line], name: str, pass_: str) -> list[Line]:
    return [
        line
        for line in lines
        if line.quantity.startswith(f"{name}, ") and line.quantity.endswith(f", {pass_}")
    ]


def _speeds(rows: Sequence[TimedIteration]) -> str:
    """Return by how much the VM is faster than the Pi, from layer to layer."""
    seconds = {(one.device, one.row.what): one.row.seconds for one in rows}
    ratios = [seconds[PI, what] / vm for (name, what), vm in seconds.items() if name == VM]
    return (
        f"By layer and pass, the virtual machine is {min(ratios):.0f} to {max(ratios):.0f} times as fast"
        " as the Pi: no single factor turns one machine into the other."
    )

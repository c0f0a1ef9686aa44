"""MP-SL's VGG19 by layer and batch, and predictions of its Raspberry Pi 4 profile for other models.

github.com/jtirana98/MultiHop-Federeated-Split-Learning has VGG19 on CIFAR-10 in batches of 128;
github.com/jafermarq/federated-embedded-vision whole training steps at 224x224 in batches of 16;
EDPFL's and RES-Things' logs have iterations of ResNet12 and of VGG5.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.models.catalogue import build
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PASSES
from cutlayer.sim.compute.stage import Stage
from cutlayer.sim.compute.work import DeviceWork, layers_of
from cutlayer.sim.papers.edpfl import SOURCE as EDPFL
from cutlayer.sim.validate.table import Fitted, Kind, Line, Table
from cutlayer.topologies.catalogue import device

MPSL: Final = "github.com/jtirana98/MultiHop-Federeated-Split-Learning"
EMBEDDED: Final = "github.com/jafermarq/federated-embedded-vision"
RES_THINGS: Final = "github.com/ricsamikwa/RES-Things"
BATCH: Final = 128
ADAM: Final = 2  # values of optimizer state for each parameter
MOMENTUM: Final = 1

# Effective GFLOP/s, forward and backward, by (outputs, side of the map); FLOPs on these nominal maps.
LAYERS: Final = (
    ("3 to 64 channels at 32x32", 0, 1, 1.0, 4.3, 32, 3, 64),
    ("64 at 32x32", 1, 2, 14.5, 7.0, 32, 64, 64),
    ("128 at 16x16", 3, 4, 18.9, 8.3, 16, 128, 128),
    ("256 at 8x8", 5, 7, 20.5, 7.2, 8, 256, 256),
    ("512 at 4x4", 9, 11, 17.0, 3.4, 4, 512, 512),
    ("512 at 2x2", 12, 15, 4.4, 1.0, 2, 512, 512),
)
BATCH_S: Final = {  # forward, backward, optimizer
    "raspberry-pi-4b": (9.52, 59.76, 2.63),
    "server-8-core": (0.85, 3.00, 0.15),
    "laptop-8-core": (0.54, 2.01, 0.13),
}
SLOWER_3B: Final = 2.3  # a Pi 3B+ against a Pi 4, VGG19


class Step(NamedTuple):
    """A published training step: its device and model, its seconds, and what it was measured on."""

    device: str
    model: str
    seconds: float
    kind: Kind
    note: str = ""
    source: str = EMBEDDED
    side: int = 224  # of the images
    classes: int = 1000
    batch: int = 16


_DEPTHWISE: Final = "the rate of depthwise convolutions was set from it"
_PI_5: Final = "its speed-up over a Pi 4 is the mean of these four"
_LIBTORCH: Final = (
    "Python at batch 20, against libtorch at 128: the logs' Pi is far slower than VGG19's"
)
_BOARD: Final = "the board is probably a Pi 3B or 3B+"
STEPS: Final = (
    Step("raspberry-pi-4b", "resnet18", 10.92, "predicted"),
    Step("raspberry-pi-4b", "resnet50", 32.63, "predicted"),
    Step("raspberry-pi-4b", "mobilenetv2", 15.27, "fitted", _DEPTHWISE),
    Step("raspberry-pi-4b", "mobilenetv3-small", 4.76, "predicted"),
    Step("raspberry-pi-5", "resnet18", 5.84, "fitted", _PI_5),
    Step("raspberry-pi-5", "resnet50", 16.11, "fitted", _PI_5),
    Step("raspberry-pi-5", "mobilenetv2", 7.22, "fitted", _PI_5),
    Step("raspberry-pi-5", "mobilenetv3-small", 2.37, "fitted", _PI_5),
    Step("raspberry-pi-4b", "resnet12", 2.15, "predicted", _LIBTORCH, EDPFL, 32, 10, 20),
    Step("raspberry-pi-3b-plus", "vgg5", 3.57, "predicted", _BOARD, RES_THINGS, 32, 10, 100),
)


def table() -> Table:
    """Return the figures that the profile was fitted to, and its predictions."""
    lines = [*_layer_lines(), *_batch_lines(), *_step_lines()]
    return Table(
        "mpsl",
        "Raspberry Pi 4 and relatives: VGG19 by layer (MP-SL), and other models from its profile",
        tuple(lines),
        (
            Fitted("convolution rates by map and pass", "12 rates", "VGG19's layers"),
            Fitted("rate of linear layers", "17 and 12.8 GFLOP/s", "the rest of VGG19's batch"),
            Fitted("optimizer's bandwidth", "1.49 GB/s", "VGG19's Adam step"),
            Fitted("rate of depthwise convolutions", "0.18 GFLOP/s", "MobileNetV2's step"),
            Fitted("speed-ups of Pi 5, Pi 3B+, VM, laptop", "1 to 4 factors each", "see devices"),
        ),
        (
            "One number: a profile with one speed, VGG19's FLOPs over its 71.9 s a batch.",
            "Rates are effective: they include a layer's share of bias, ReLU and pooling, and assume"
            " nominal maps (32 to 2), although the published code pools with a padding of 1 (32, 17,"
            " 9, 5, 3).",
            "VGG19's batch also includes its linear layers (80 % of its parameters) and Adam.",
            "The two sources disagree: ResNet18's step of 10.9 s is 16 GFLOP/s on dense convolutions,"
            " both passes together, where VGG19's backward pass had 7 to 9. One is PyTorch, the other"
            " libtorch of another year; a profile of one cannot predict the other.",
            f"Mean error of the predictions: {_mean(lines, 'predicted'):.0%}"
            f" ({_mean(lines, 'predicted', EMBEDDED):.0%} for the models at 224x224); of one speed"
            f" for everything: {_coarse_mean():.0%}.",
        ),
    )


def _layer_lines() -> list[Line]:
    costs = _costs("vgg19", 32, 10)
    pi = device("raspberry-pi-4b")
    lines = []
    for name, first, last, forward, backward, side, inputs, outputs in LAYERS:
        nominal = 2.0 * 9 * side**2 * inputs * outputs * BATCH
        stage = Stage(pi, layers_of(costs[first:last]))
        for pass_, published in zip(PASSES, (forward, backward), strict=True):
            work = stage.forward(BATCH) if pass_ == "forward" else stage.backward(BATCH)
            times = 1 if pass_ == "forward" or inputs == 3 else 2
            effective = nominal * (last - first) * times / work.seconds / 1e9
            lines.append(
                Line(f"VGG19, {name}, {pass_}", "GFLOP/s", published, "fitted", effective, MPSL)
            )
    return lines


def _batch_lines() -> list[Line]:
    costs = _costs("vgg19", 32, 10)
    lines = []
    for name, published in BATCH_S.items():
        stage = Stage(device(name), layers_of(costs), ADAM)
        found = stage.forward(BATCH), stage.backward(BATCH), stage.step()
        for part, theirs, ours in zip((*PASSES, "optimizer"), published, found, strict=True):
            part_of = f"VGG19 on {name}, {part}"
            lines.append(Line(part_of, "s", theirs, "fitted", ours.seconds, MPSL))
    slow = Stage(device("raspberry-pi-3b-plus"), layers_of(costs), ADAM).train(BATCH).seconds
    fast = Stage(device("raspberry-pi-4b"), layers_of(costs), ADAM).train(BATCH).seconds
    lines.append(Line("VGG19, Pi 3B+ over Pi 4", "x", SLOWER_3B, "fitted", slow / fast, MPSL))
    return lines


def _step_lines() -> list[Line]:
    lines = []
    for step in STEPS:
        costs = _costs(step.model, step.side, step.classes)
        ours = DeviceWork(device(step.device), costs, None, 1, MOMENTUM).train(step.batch).seconds
        said = f"one number: {_coarse_error(step):+.0%}"
        note = f"{said}; {step.note}" if step.note else said
        name = f"{step.model} on {step.device}, {step.batch} x {step.side}x{step.side}"
        lines.append(Line(name, "s", step.seconds, step.kind, ours, step.source, note))
    return lines


def _coarse_error(step: Step) -> float:
    """Return the error of a single speed, that of VGG19's batch on the device."""
    vgg19 = layers_of(_costs("vgg19", 32, 10))
    speed = BATCH * _flops(vgg19) / Stage(device(step.device), vgg19, ADAM).train(BATCH).seconds
    flops = step.batch * _flops(layers_of(_costs(step.model, step.side, step.classes)))
    return flops / speed / step.seconds - 1


def _flops(layers: Iterable[LayerCost]) -> float:
    return sum(layer.forward_flops + layer.backward_flops for layer in layers)


def _mean(lines: list[Line], kind: Kind, source: str | None = None) -> float:
    errors = [
        abs(line.deviation)
        for line in lines
        if line.kind == kind and line.deviation is not None and source in (None, line.source)
    ]
    return sum(errors) / len(errors)


def _coarse_mean() -> float:
    errors = [abs(_coarse_error(step)) for step in STEPS if step.kind == "predicted"]
    return sum(errors) / len(errors)


@cache
def _costs(model: str, side: int, classes: int) -> tuple[BlockCost, ...]:
    shape = (3, side, side)
    built = build(model, classes=classes, input_shape=shape, seed=0, device="meta")
    return tuple(block_costs(built))

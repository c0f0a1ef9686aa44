"""Parts of models side by side against each lane's plain module: outputs, gradients and buffers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models import catalogue
from cutlayer.models.transformer import CausalAttention
from cutlayer.models.vit import EncoderLayer, PatchEmbedding
from cutlayer.sim.learning.stacked.check import Checks, NotStackedError
from cutlayer.sim.learning.stacked.lanes import Lanes
from cutlayer.sim.learning.stacked.part import SharedPart, StackedPart, gradients

CLOSE = {"rtol": 0, "atol": 1e-10}  # float64; values are of the order of 1
IMAGES = (3, 16, 16)


class Tied(nn.Module):
    """Two layers with one weight, a buffer that is not saved, and one that is replaced."""

    count: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("scale", torch.full((6,), 0.5), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.count = self.count + 1
        return self.scale * torch.tanh(self.second(torch.relu(self.first(x))))


def block(name: str, start: int, stop: int) -> nn.Module:
    """Blocks of a model of the catalogue, for images of 16 pixels."""
    shape = (3, 32, 32)
    return nn.Sequential(
        *catalogue.build(name, classes=10, input_shape=shape, seed=0).blocks[start:stop]
    )


PARTS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolution, BatchNorm and max pooling": (lambda: block("vgg5", 0, 2), IMAGES),
    "average pooling": (lambda: block("alexnet", 4, 5), (256, 4, 4)),
    "residual": (lambda: block("resnet12", 2, 3), (64, 8, 8)),
    "depthwise": (lambda: block("mobilenetv2", 2, 3), (16, 8, 8)),
    "squeeze and hardswish": (lambda: block("mobilenetv3-small", 4, 5), (24, 4, 4)),
    "patches": (lambda: PatchEmbedding((3, 32, 32), 24), (3, 32, 32)),
    "attention": (lambda: EncoderLayer(24, 3), (5, 24)),
    "causal attention": (lambda: CausalAttention(24, 3), (5, 24)),
    "running statistics": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Hardswish()),
        IMAGES,
    ),
    "tied weights": (Tied, (6,)),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("make", "shape"), PARTS.values(), ids=list(PARTS))
def test_each_lane_computes_what_its_module_does(
    make: Callable[[], nn.Module], shape: tuple[int, ...], training: bool
) -> None:
    draw = torch.Generator().manual_seed(3)
    modules = [make().double().train(training) for _ in range(3)]
    for module in modules:
        for parameter in module.parameters():
            parameter.data += 0.1 * torch.randn(
                parameter.shape, generator=draw, dtype=torch.float64
            )
    inputs = torch.randn(3, 4, *shape, generator=draw, dtype=torch.float64)
    part = StackedPart(make().double().train(training), [m.state_dict() for m in modules])
    for numbers in ([0, 1, 2], [0, 2]):
        lanes = Lanes(numbers)
        turn = part.turn(lanes)
        outputs = turn(lanes.take(inputs))
        (found,) = gradients(outputs.sin().sum(), None, turn)
        for row, lane in enumerate(numbers):
            module = modules[lane]
            module.zero_grad()
            expected = module(inputs[lane])
            expected.sin().sum().backward()
            torch.testing.assert_close(outputs[row], expected, **CLOSE)
            own = {name: p.grad for name, p in module.named_parameters()}
            torch.testing.assert_close({n: g[row] for n, g in found.items()}, own, **CLOSE)
            torch.testing.assert_close(part.weights(lane), dict(module.state_dict()), **CLOSE)


@pytest.mark.parametrize("track", [True, False])
def test_a_shared_part_gives_each_lane_its_own_outputs(track: bool) -> None:
    """BatchNorm without running statistics uses those of each lane's batch, not of all samples."""
    norm = nn.BatchNorm2d(4, track_running_stats=track)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(inplace=True)).double()
    shared = SharedPart(module)
    inputs = torch.randn(3, 5, *IMAGES, dtype=torch.float64)
    inputs[1] += 2
    outputs = shared(inputs)
    for lane in range(3):
        torch.testing.assert_close(outputs[lane], module(inputs[lane]), **CLOSE)


class MixesSamples(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Stateful(nn.Module):
    """Draws from `random` or numpy, or depends on how often it was called."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: Tensor) -> Tensor:
        return x + self.draw()


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Dropout(0.5), "the model draws random numbers, as dropout does"),
        (Stateful(__import__("random").random), "the model draws random numbers"),
        (Stateful(__import__("numpy").random.random), "the model draws random numbers"),
        (Stateful(iter(range(9)).__next__), "the model gives other results side by side"),
        (nn.BatchNorm1d(6, momentum=None), "torch cannot run the model side by side"),
        (Branches(), "torch cannot run the model side by side"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_models_that_cannot_run_side_by_side_are_noticed(module: nn.Module, reason: str) -> None:
    part = StackedPart(module.train(), [module.state_dict()] * 2)
    turn = part.turn(Lanes([0, 1]))
    with pytest.raises(NotStackedError, match=reason):
        Checks().outputs("part", turn, turn.plain, torch.ones(2, 4, 6))


def test_a_frozen_model_that_mixes_samples_is_noticed() -> None:
    shared = SharedPart(MixesSamples())
    inputs = torch.arange(24.0).view(2, 4, 3)
    with pytest.raises(NotStackedError, match="gives other results"):
        Checks().outputs("part", shared, shared.module, inputs)

"""Small data sets without classes, and models, losses and metrics for them."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from cutlayer.models import Model
from cutlayer.sim.data.datasets import Dataset, DatasetInfo
from cutlayer.sim.data.info import IGNORED

LENGTH, VOCABULARY, WIDTH = 6, 5, 4
COMMON = {"train_counts": (60,), "test_counts": (110,), "class_names": ()}


def _rows(values: int, targets: tuple[int, ...]) -> DatasetInfo:
    return DatasetInfo(
        name="rows",
        checksum="rows",
        input_shape=(values,),
        mean=(0.0,) * values,
        std=(1.0,) * values,
        target_type="number",
        target_shape=targets,
        **COMMON,  # type: ignore[arg-type]
    )


TEXT = DatasetInfo(
    name="text",
    input_shape=(LENGTH,),
    mean=(),
    std=(),
    input_type="token",
    target_type="token",
    vocabulary=VOCABULARY,
    checksum="text",
    **COMMON,  # type: ignore[arg-type]
)


def _dataset(info: DatasetInfo, inputs: Tensor, targets: Tensor) -> Dataset:
    train = info.train_samples
    return Dataset(info, inputs[:train], targets[:train], inputs[train:], targets[train:])


def rows(_: object) -> Dataset:
    """Two numbers that are linear in three."""
    inputs = torch.randn(170, 3, generator=torch.Generator().manual_seed(1))
    targets = torch.stack([inputs.sum(dim=1), inputs[:, 0] - 1], dim=1)
    return _dataset(rows.info, inputs, targets)  # type: ignore[attr-defined]


def one_number(_: object) -> Dataset:
    """A single number, without a dimension of its own."""
    loaded = rows(_)
    info = one_number.info  # type: ignore[attr-defined]
    return Dataset(
        info,
        loaded.train_images,
        loaded.train_labels[:, 0],
        loaded.test_images,
        loaded.test_labels[:, 0],
    )


def text(_: object) -> Dataset:
    """Each token is the one before it plus 1, or plus 2 in every fourth case."""
    draw = torch.Generator().manual_seed(2)
    steps = 1 + (torch.rand(170, LENGTH + 1, generator=draw) < 0.25).long()
    tokens = steps.cumsum(dim=1) % VOCABULARY
    return _dataset(TEXT, tokens[:, :-1], tokens[:, 1:])


def padded(_: object) -> Dataset:
    """The same tokens, of which each text has another number, at least one."""
    loaded = text(_)
    lengths = 1 + torch.arange(170).view(-1, 1) % LENGTH
    real = torch.arange(LENGTH) < lengths
    inputs = torch.cat([loaded.train_images, loaded.test_images]).where(real, torch.tensor(0))
    targets = torch.cat([loaded.train_labels, loaded.test_labels])
    return _dataset(padded.info, inputs, targets.where(real, torch.tensor(IGNORED)))  # type: ignore[attr-defined]


rows.info = _rows(3, (2,))  # type: ignore[attr-defined]
one_number.info = _rows(3, ())  # type: ignore[attr-defined]
text.info = TEXT  # type: ignore[attr-defined]
padded.info = replace(TEXT, name="padded", checksum="padded", padding=0)  # type: ignore[attr-defined]


class FirstTwo(nn.Module):
    """A model without parameters."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2]


def linear(classes: int, input_shape: tuple[int, ...]) -> Model:
    (values,) = input_shape
    blocks = [("first", nn.Linear(values, WIDTH)), ("last", nn.Linear(WIDTH, classes))]
    return Model("linear", blocks, input_shape, classes, 1)


class Mean(nn.Module):
    """Adds to each token the mean of those up to it, which is all that a causal model may see."""

    draws = False

    def __init__(self) -> None:
        super().__init__()
        seen = torch.ones(LENGTH, LENGTH).tril()
        self.register_buffer("shares", seen / seen.sum(dim=1, keepdim=True), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shares @ x


def language(classes: int, input_shape: tuple[int, ...]) -> Model:
    blocks = [
        ("embedding", nn.Embedding(classes, WIDTH)),
        ("mean", nn.Sequential(Mean(), nn.Linear(WIDTH, WIDTH), nn.Tanh())),
        ("last", nn.Linear(WIDTH, classes)),
    ]
    return Model("language", blocks, input_shape, classes, 2, input_dtype=torch.int64)


def half_square(output: Tensor, target: Tensor) -> Tensor:
    """Half of the mean squared error."""
    return (output - target).square().mean() / 2


def vector_loss(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square()


def failing_loss(output: Tensor, target: Tensor) -> Tensor:
    raise ValueError("no loss today")


def largest_error(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs - targets).abs().max())


largest_error.higher_is_better = False  # type: ignore[attr-defined]


def text_metric(outputs: Tensor, targets: Tensor) -> str:
    return "much"


def no_number(outputs: Tensor, targets: Tensor) -> float:
    return float("nan")


def many_numbers(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs[:, 0]


def nothing(outputs: Tensor, targets: Tensor) -> None:
    return None


def top2(outputs: Tensor, targets: Tensor) -> Tensor:
    """The share of samples whose class has one of the two highest scores."""
    return (outputs.topk(2).indices == targets[:, None]).any(dim=1).float().mean()

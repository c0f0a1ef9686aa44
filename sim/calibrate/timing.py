"""Time real training: the passes of an iteration, or block by block, in this process."""

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from cutlayer.models.model import Model
from cutlayer.sim.calibrate.held_out import Part

MOMENTUM = 0.9


@dataclass(frozen=True)
class Passes:
    """Seconds of one iteration: forward, backward, optimizer step, and the time between them."""

    forward: float
    backward: float
    step: float
    rest: float

    @property
    def total(self) -> float:
        """Seconds of the whole iteration."""
        return self.forward + self.backward + self.step + self.rest


@dataclass(frozen=True)
class BlockTimes:
    """Seconds of each block's passes in one iteration, in the order of the model."""

    forward: tuple[float, ...]
    backward: tuple[float, ...]


class Trainer:
    """A model, or its front or back part, with random data of one batch size and an optimizer."""

    def __init__(self, model: Model, part: Part, cut: int, batch_size: int) -> None:
        split = model.split(cut if part != "whole" else 0)
        self.part = part
        self.module: nn.Module = split.device if part == "front" else split.server
        shape = model.activation_shape(cut) if part == "back" else model.input_shape
        self._x = torch.randn(batch_size, *shape)
        self._x.requires_grad_(part == "back")
        self._gradient = torch.randn(batch_size, *model.activation_shape(cut)) / batch_size
        self._labels = torch.randint(0, model.classes, (batch_size,))
        parameters = list(self.module.parameters())
        self._optimizer = torch.optim.SGD(parameters, lr=1e-5, momentum=MOMENTUM)

    def iterate(self) -> Passes:
        """Train on one batch and return its times."""
        now = time.perf_counter
        start = now()
        self._optimizer.zero_grad()
        self._x.grad = None
        begun = now()
        output = self.module(self._x)
        forward = now()
        end: Tensor = output
        if self.part != "front":
            end = nn.functional.cross_entropy(output, self._labels)
        lost = now()
        end.backward(self._gradient if self.part == "front" else None)  # type: ignore[no-untyped-call]
        backward = now()
        self._optimizer.step()
        step = now()
        rest = begun - start + lost - forward
        return Passes(forward - begun, backward - lost, step - backward, rest)

    def close(self) -> None:
        """Free the memory of the gradients."""
        self._optimizer.zero_grad()


def block_times(model: Model, batch_size: int) -> BlockTimes:
    """Run both passes of one batch block by block, with detached activations between blocks.

    Memory is used as in an ordinary iteration: activations are kept until their block's backward pass.
    No optimizer step is taken.
    """
    x = torch.randn(batch_size, *model.input_shape)
    inputs, outputs, forward = [], [], []
    for index, block in enumerate(model.blocks):
        x = x.detach()
        if index:
            x.requires_grad_()
        inputs.append(x)
        start = time.perf_counter()
        x = block(x)
        forward.append(time.perf_counter() - start)
        outputs.append(x)
    backward = [0.0] * len(forward)
    gradient: Tensor | None = torch.full_like(outputs[-1], 1e-4)
    for index in reversed(range(len(forward))):
        output = outputs.pop()
        if not output.requires_grad:
            break
        start = time.perf_counter()
        output.backward(gradient)
        backward[index] = time.perf_counter() - start
        gradient = inputs.pop().grad
    model.zero_grad()
    return BlockTimes(tuple(forward), tuple(backward))


def loader_seconds(batch_size: int, repeats: int) -> float:
    """Return the median time to read, crop, flip and normalise a batch of 32x32 images, seconds."""
    from cutlayer.sim.data.augment import Augmentation

    images = torch.randint(0, 256, (1000, 3, 32, 32), dtype=torch.uint8)
    mean, deviation = torch.full((1, 3, 1, 1), 120.0), torch.full((1, 3, 1, 1), 60.0)
    augmentation = Augmentation(crop=True, flip=True)
    times = []
    for number in range(repeats):
        rows = torch.randint(0, len(images), (batch_size,))
        start = time.perf_counter()
        batch = augmentation.apply(
            images[rows], seed=0, client=0, round_index=0, epoch=0, batch=number
        )
        ((batch.float() - mean) / deviation).contiguous()
        times.append(time.perf_counter() - start)
    return median(times)

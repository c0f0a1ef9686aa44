"""Both ends of a client's round in PyTorch: the device block and the server block."""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from cases import BITS, PERIOD, Case
from channel import Channel
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from cutlayer import models
from cutlayer.models.quantise import Quantised, dequantise, quantise
from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.endpoints import payload as wire

CLASSES = 10
LR, MOMENTUM = 0.01, 0.9
GO = 1  # byte: the server tells the device that a round begins


def raw(tensor: Tensor) -> memoryview:
    return memoryview(tensor.detach().contiguous().numpy()).cast("B")


def floats(message: bytearray, shape: tuple[int, ...], offset: int = 0) -> Tensor:
    count = int(np.prod(shape))
    return torch.frombuffer(message, dtype=torch.float32, count=count, offset=offset).view(shape)


class Sizes:
    """The messages of a case, with the sizes of the simulator."""

    def __init__(self, case: Case, method: str) -> None:
        model = models.build(case.model, classes=CLASSES, seed=0)
        self.cut = len(model) if method == "classic_fl" else case.cut
        self.device, self.server = model.split(self.cut)
        self.shape = (case.batch_size, *model.activation_shape(self.cut))
        per_sample = self.shape[1:]
        parameters = list(self.device.parameters())
        self.weights = wire.weights(sum(p.numel() for p in parameters), len(parameters)).wire_bytes
        self.activation = wire.activation(per_sample, case.batch_size).wire_bytes
        self.quantised = wire.activation(per_sample, case.batch_size, BITS).wire_bytes
        self.gradient = wire.gradient(per_sample, case.batch_size).wire_bytes
        self.control = wire.control().wire_bytes

    def coming(self, case: Case, method: str, rounds: int) -> tuple[list[int], list[int]]:
        """Return the sizes of the messages to the device and to the server, in order."""
        down: list[int] = []
        up: list[int] = []
        for index in range(rounds):
            down.append(GO)
            if method == "classic_fl":
                down.append(self.weights)
                up.append(self.weights)
            elif method == "splitfed":
                down += [self.weights, *[self.gradient] * case.batches]
                up += [*[self.activation] * case.batches, self.weights]
            else:
                size = self.quantised if index % PERIOD == 0 else self.control
                up += [size] * case.batches
        return down, up


class Loader:
    """A loader of CIFAR-like images in memory: selected, cropped, flipped, normalised."""

    def __init__(self, case: Case) -> None:
        generator = torch.Generator().manual_seed(0)
        self._size = case.batch_size
        self._images = torch.randint(
            0, 256, (1000, 3, 32, 32), dtype=torch.uint8, generator=generator
        )
        self._labels = torch.randint(0, CLASSES, (1000,), generator=generator)
        self._mean = torch.full((1, 3, 1, 1), 120.0)
        self._deviation = torch.full((1, 3, 1, 1), 60.0)
        self._augmentation = Augmentation(crop=True, flip=True)
        self._count = 0

    def batch(self) -> tuple[Tensor, Tensor]:
        self._count += 1
        rows = (torch.arange(self._size) * 7 + self._count * self._size) % 1000
        images = self._augmentation.apply(
            self._images[rows], seed=0, client=0, round_index=0, epoch=0, batch=self._count
        )
        return ((images.float() - self._mean) / self._deviation).contiguous(), self._labels[rows]


class Device:
    """The device: `round` runs a round and returns the seconds of computing."""

    def __init__(self, case: Case, method: str, sizes: Sizes, channel: Channel) -> None:
        self.case, self.method, self.sizes, self.channel = case, method, sizes, channel
        self.block = sizes.device
        self.loader = Loader(case)
        self.computed = 0.0

    def round(self, index: int) -> float:
        self.computed = 0.0
        self.channel.take()
        if self.method == "ecofed":
            self._ecofed(upload=index % PERIOD == 0)
        else:
            load(self.block, self.channel.take())
            optimizer = torch.optim.SGD(self.block.parameters(), lr=LR, momentum=MOMENTUM)
            for _ in range(self.case.batches):
                self._train(optimizer)
            self.channel.send(self.sizes.weights, *packed(self.block))
        return self.computed

    def _train(self, optimizer: torch.optim.Optimizer) -> None:
        begun = time.monotonic()
        images, labels = self.loader.batch()
        optimizer.zero_grad()
        activation = self.block(images)
        if self.method == "classic_fl":
            nn.functional.cross_entropy(activation, labels).backward()
        else:
            self.computed += time.monotonic() - begun
            self.channel.send(self.sizes.activation, raw(activation), raw(labels))
            message = self.channel.take()
            begun = time.monotonic()
            activation.backward(floats(message, self.sizes.shape))
        optimizer.step()
        self.computed += time.monotonic() - begun

    def _ecofed(self, *, upload: bool) -> None:
        for _ in range(self.case.batches):
            begun = time.monotonic()
            images, labels = self.loader.batch()
            if upload:
                with torch.no_grad():
                    small = quantise(self.block(images), BITS)
                self.computed += time.monotonic() - begun
                scale = np.array([small.scale], dtype=np.float64).tobytes()
                self.channel.send(self.sizes.quantised, raw(small.packed), raw(labels), scale)
            else:
                self.computed += time.monotonic() - begun
                self.channel.send(self.sizes.control)


class Server:
    """The server, with one replica for the one client: `round` returns (seconds, computing)."""

    def __init__(self, case: Case, method: str, sizes: Sizes, channel: Channel) -> None:
        self.case, self.method, self.sizes, self.channel = case, method, sizes, channel
        self.block = sizes.server
        self.held = models.build(case.model, classes=CLASSES, seed=0).split(sizes.cut).device
        self.buffer: list[bytearray] = []
        self.losses: list[float] = []
        self.computed = 0.0

    def round(self, index: int) -> tuple[float, float]:
        self.computed = 0.0
        start = time.monotonic()
        self.channel.send(GO)
        if self.method != "ecofed":
            self.channel.send(self.sizes.weights, *packed(self.held))
        if self.method != "classic_fl":
            self._serve(index)
        if self.method != "ecofed":
            message = self.channel.take()
            begun = time.monotonic()
            load(self.held, message)  # the weighted mean of one client
            self.computed += time.monotonic() - begun
        return time.monotonic() - start, self.computed

    def _serve(self, index: int) -> None:
        upload = self.method == "splitfed" or index % PERIOD == 0
        optimizer = torch.optim.SGD(self.block.parameters(), lr=LR, momentum=MOMENTUM)
        if upload:
            self.buffer = []
        for number in range(self.case.batches):
            message = self.channel.take()
            begun = time.monotonic()
            if self.method == "ecofed":
                if upload:
                    self.buffer.append(message)
                message = self.buffer[number]
            activation, labels = self._unpacked(message)
            activation.requires_grad_(self.method == "splitfed")
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.block(activation), labels)
            loss.backward()
            optimizer.step()
            self.computed += time.monotonic() - begun
            self.losses.append(float(loss.detach()))
            if activation.grad is not None:
                self.channel.send(self.sizes.gradient, raw(activation.grad))

    def _unpacked(self, message: bytearray) -> tuple[Tensor, Tensor]:
        count = int(np.prod(self.sizes.shape))
        if self.method == "splitfed":
            activation, at = floats(message, self.sizes.shape), 4 * count
        else:
            at = count * BITS // 8
            scale = float(np.frombuffer(message, np.float64, 1, at + 8 * self.case.batch_size)[0])
            packed_values = torch.frombuffer(message, dtype=torch.uint8, count=at)
            activation = dequantise(Quantised(packed_values, scale, BITS, self.sizes.shape))
        labels = torch.frombuffer(message, dtype=torch.int64, count=self.case.batch_size, offset=at)
        return activation, labels


def packed(block: nn.Module) -> list[memoryview]:
    return [raw(parameter) for parameter in block.parameters()]


def load(block: nn.Module, message: bytearray) -> None:
    offset = 0
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(floats(message, tuple(parameter.shape), offset))
            offset += 4 * parameter.numel()

"""The work of benchmarks/training.py: a model, a data set, and plain loops that train it by FedAvg.

The CNN has 356,810 parameters. 100 clients hold 500 images of 3x32x32 each, 20 of them train in a round
with batches of 10, and the mean of their weights is tested on 2,000 images after each round. The images
are drawn, a pattern for each class in noise, and are written in the binary layout of CIFAR-10.

`prepare` uses Cutlayer's random streams; the loops read what it has written and import nothing of it,
so that they also run where it is not installed.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CLIENTS, SHARD, PER_ROUND, BATCH, LR = 100, 500, 20, 10, 0.05
TESTED, EVALUATION_BATCH = 2000, 100
CLASSES, PIXELS = 10, 3 * 32 * 32
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10
FOLDER = "cifar-10-batches-bin"

SCENARIO = """\
name: training
data: {dataset: cifar10, test_samples: TESTED, partition: iid}
model: {name: "training_work:cnn", cut: 1}
training: {rounds: ROUNDS, clients_per_round: PER_ROUND, batch_size: BATCH,
           optimizer: {name: sgd, lr: LR}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: CLIENTS, link: 4g}]
methods: [classic_fl]
"""

State = dict[str, Tensor]


def layers(inputs: int = 3) -> list[tuple[str, nn.Module]]:
    """Return the blocks of the CNN: three convolutions with pooling, and two linear layers."""
    blocks: list[tuple[str, nn.Module]] = []
    for number, outputs in enumerate((32, 64, 128), 1):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        blocks.append((f"conv{number}", nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2))))
        inputs = outputs
    blocks.append(("fc1", nn.Sequential(nn.Flatten(), nn.Linear(128 * 4 * 4, 128), nn.ReLU())))
    blocks.append(("fc2", nn.Linear(128, CLASSES)))
    return blocks


class Plain(nn.Module):
    """The CNN as a plain module, with the parameters' names of a `cutlayer.models.Model`."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(block for _, block in layers()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.blocks(inputs)
        return logits


def cnn(classes: int = CLASSES, input_shape: Sequence[int] = (3, 32, 32)) -> Any:
    """Build the CNN for Cutlayer."""
    from cutlayer.models import Model

    return Model("cnn", layers(), input_shape, classes, feature_blocks=3)


def prepare(folder: Path, rounds: int) -> None:
    """Write the data set, the scenario, the initial weights, and who trains on what in which order."""
    from cutlayer.models.catalogue import build
    from cutlayer.sim.build.checks import plan_checked
    from cutlayer.sim.run.run import load_scenario
    from cutlayer.streams import generator

    labels = write_images(folder / FOLDER)
    scenario = folder / "training.yaml"
    text = SCENARIO
    for name in ("TESTED", "PER_ROUND", "BATCH", "LR", "CLIENTS"):
        text = text.replace(name, str(globals()[name]))
    scenario.write_text(text.replace("ROUNDS", str(rounds)), encoding="utf-8")
    (plan,) = plan_checked(load_scenario(scenario), trains=False)
    shards = plan.shards.order(labels).reshape(CLIENTS, SHARD)
    clients = [
        sorted(generator(0, "sample", index).choice(CLIENTS, PER_ROUND, replace=False).tolist())
        for index in range(rounds)
    ]
    orders = [
        [generator(0, "batch order", client, index, 0).permutation(SHARD) for client in chosen]
        for index, chosen in enumerate(clients)
    ]
    np.savez(folder / "work.npz", shards=shards, clients=clients, orders=orders)
    model = build("training_work:cnn", classes=CLASSES, seed=0)
    torch.save(model.state_dict(), folder / "initial.pt")


def write_images(folder: Path) -> np.ndarray:
    """Write images with a pattern for each class in the layout of CIFAR-10; return the train labels."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    patterns = draw.integers(0, 256, (CLASSES, PIXELS))
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    written = []
    for name in names:
        labels = draw.permutation(np.arange(10_000) % CLASSES).astype(np.uint8)
        noise = draw.integers(0, 256, (len(labels), PIXELS), np.uint8)
        images = (noise // 8 * 7 + patterns[labels] // 8).astype(np.uint8)
        np.concatenate([labels[:, np.newaxis], images], axis=1).tofile(folder / name)
        written.append(labels.astype(np.int64))
    return np.concatenate(written[:-1])


class Work:
    """What `prepare` wrote, with the test images ready for the model."""

    def __init__(self, folder: Path) -> None:
        arrays = np.load(folder / "work.npz")
        self.shards = torch.from_numpy(arrays["shards"])
        self.clients: list[list[int]] = arrays["clients"].tolist()
        self.orders = torch.from_numpy(arrays["orders"])
        self.initial: State = torch.load(folder / "initial.pt", weights_only=True)
        files = [folder / FOLDER / f"data_batch_{number}.bin" for number in range(1, 6)]
        self.images, self.labels = _read(files, None)
        test, self.test_labels = _read([folder / FOLDER / "test_batch.bin"], TESTED // CLASSES)
        self.test_inputs = [inputs(part) for part in test.split(EVALUATION_BATCH)]


def _read(files: Iterable[Path], of_class: int | None) -> tuple[Tensor, Tensor]:
    """Return images and labels, the first `of_class` of each class."""
    records = np.concatenate(
        [np.fromfile(file, np.uint8).reshape(-1, 1 + PIXELS) for file in files]
    )
    if of_class is not None:
        firsts = [np.flatnonzero(records[:, 0] == label)[:of_class] for label in range(CLASSES)]
        records = records[np.sort(np.concatenate(firsts))]
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


class Format:
    """The memory format of inputs and convolutions."""

    used = torch.channels_last


SCALE = (1 / (255 * torch.tensor(STD))).view(-1, 1, 1)
OFFSET = (torch.tensor(MEAN) / torch.tensor(STD)).view(-1, 1, 1)


def inputs(images: Tensor) -> Tensor:
    """Return normalised inputs in the memory format."""
    normalised = images.to(torch.float32).mul(SCALE).sub_(OFFSET)
    return normalised.contiguous(memory_format=Format.used)


def new_model() -> nn.Module:
    """Return the plain module in the memory format."""
    return Plain().to(memory_format=Format.used)


def train(model: nn.Module, weights: State, work: Work, client: int, order: Tensor) -> State:
    """Train a client's epoch from `weights`; return the model's own weights."""
    model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), LR)
    for rows in work.shards[client][order].split(BATCH):
        optimizer.zero_grad()
        logits = model(inputs(work.images[rows]))
        functional.cross_entropy(logits, work.labels[rows]).backward()
        optimizer.step()
    return model.state_dict()


def correct(model: nn.Module, weights: State, work: Work, batches: range) -> int:
    """Return the number of right classes in some test batches."""
    model.load_state_dict(weights)
    labels = work.test_labels.split(EVALUATION_BATCH)
    with torch.inference_mode():
        return sum(
            int((model(work.test_inputs[number]).argmax(dim=1) == labels[number]).sum())
            for number in batches
        )


class Mean:
    """The mean of the weights of the clients of a round, added in order."""

    def __init__(self) -> None:
        self.total: State = {}

    def add(self, weights: State) -> None:
        """Add a client's weights."""
        for name, value in weights.items():
            if name in self.total:
                self.total[name].add_(value, alpha=1 / PER_ROUND)
            else:
                self.total[name] = value * (1 / PER_ROUND)


def plain(folder: Path, rounds: int, mark: Callable[[], None]) -> tuple[State, list[float]]:
    """Train in this process, client after client; return the weights and the accuracies."""
    work, model, accuracies = Work(folder), new_model(), []
    weights = work.initial
    mark()
    for index in range(rounds):
        mean = Mean()
        for client, order in zip(work.clients[index], work.orders[index], strict=True):
            mean.add(train(model, weights, work, client, order))
        weights = mean.total
        right = correct(model, weights, work, range(TESTED // EVALUATION_BATCH))
        accuracies.append(right / TESTED)
    return weights, accuracies


class _Worker:
    work: Work
    model: nn.Module


def _begin(folder: Path, memory_format: torch.memory_format) -> None:
    prepare_process()
    Format.used = memory_format
    _Worker.work, _Worker.model = Work(folder), new_model()


def _train(job: tuple[State, int, Tensor]) -> State:
    weights, client, order = job
    trained = train(_Worker.model, _tensors(weights), _Worker.work, client, order)
    return {name: value.numpy() for name, value in trained.items()}


def _correct(job: tuple[State, range]) -> int:
    return correct(_Worker.model, _tensors(job[0]), _Worker.work, job[1])


def _tensors(arrays: Any) -> State:
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def _ready(_: int) -> None:
    """Return once a worker has begun."""


def plain_pool(
    folder: Path, rounds: int, mark: Callable[[], None], count: int = 2
) -> tuple[State, list[float]]:
    """Train as `plain` does, with the clients of a round in `count` processes."""
    arrays, weights, accuracies = np.load(folder / "work.npz"), {}, []
    initial = torch.load(folder / "initial.pt", weights_only=True)
    weights = initial
    last = TESTED // EVALUATION_BATCH
    slices = [range(last * part // count, last * (part + 1) // count) for part in range(count)]
    with get_context("spawn").Pool(count, _begin, (folder, Format.used)) as pool:
        pool.map(_ready, range(count), chunksize=1)
        mark()
        for index in range(rounds):
            mean, plain_weights = Mean(), {name: value.numpy() for name, value in weights.items()}
            orders = torch.from_numpy(arrays["orders"][index])
            jobs = zip([plain_weights] * PER_ROUND, arrays["clients"][index], orders, strict=True)
            for trained in pool.imap(_train, jobs):
                mean.add(_tensors(trained))
            weights = mean.total
            plain_weights = {name: value.numpy() for name, value in weights.items()}
            right = sum(pool.map(_correct, [(plain_weights, part) for part in slices], chunksize=1))
            accuracies.append(right / TESTED)
    return weights, accuracies


def prepare_process() -> None:
    """Use one thread, and keep freed memory instead of returning it to the system (glibc)."""
    torch.set_num_threads(1)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never
            libc.mallopt(-4, 0)  # M_MMAP_MAX: no allocation of its own

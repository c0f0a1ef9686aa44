"""Shared parts of the slow twins of the methods: a study, its averages, and copies of blocks."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
Batch = tuple[Tensor, Tensor, Tensor]  # positions in the client's shard, images, labels
EVERYBODY = -1


@dataclass
class Study:
    """The settings of a comparison. `sizes` are the numbers of the clients' samples."""

    device: nn.Module
    server: nn.Module
    head: nn.Module | None
    rounds: int
    epochs: int
    lr: float
    momentum: float
    weight_decay: float
    kept: bool
    equal: bool
    sizes: Sequence[int]
    batches: Callable[[int, int, int], list[Batch]]  # of a client, in a round, in an epoch
    sample: Callable[
        [int, Sequence[int]], Sequence[int]
    ]  # of the clients that may take part in a round

    def everybody(self, index: int) -> Sequence[int]:
        """The clients of a round, sampled from all."""
        return self.sample(index, range(len(self.sizes)))

    def training(self, client: int, index: int) -> list[Batch]:
        """All batches of a client's local epochs."""
        return [b for epoch in range(self.epochs) for b in self.batches(client, index, epoch)]

    def mean(self, members: dict[int, Weights]) -> Weights:
        """FedAvg, by samples or equal; the maximum of integers."""
        weights = {client: 1 if self.equal else self.sizes[client] for client in members}
        total = sum(weights.values())
        mean: Weights = {}
        for name, first in next(iter(members.values())).items():
            values = [member[name] for member in members.values()]
            if first.is_floating_point():
                mean[name] = sum(
                    (weights[client] / total) * member[name] for client, member in members.items()
                )  # type: ignore[assignment]
            else:
                mean[name] = torch.stack(values).amax(dim=0)
        return mean


class Copy:
    """A party's copy of some blocks, with one optimizer over all of them."""

    def __init__(self, study: Study, *blocks: nn.Module) -> None:
        self.study = study
        self.blocks = [deepcopy(block) for block in blocks]
        self.sgd: torch.optim.SGD | None = None

    def begin_round(self, *weights: Weights) -> None:
        """Load weights; the optimizer is new unless its state is kept."""
        for block, values in zip(self.blocks, weights, strict=False):
            block.load_state_dict(values)
        for block in self.blocks:
            block.train()
        if self.sgd is None or not self.study.kept:
            self.sgd = torch.optim.SGD(
                [p for block in self.blocks for p in block.parameters()],
                lr=self.study.lr,
                momentum=self.study.momentum,
                weight_decay=self.study.weight_decay,
            )

    def step(self) -> None:
        assert self.sgd is not None
        self.sgd.step()
        self.sgd.zero_grad()

    def weights(self) -> list[Weights]:
        return [
            {name: value.detach().clone() for name, value in block.state_dict().items()}
            for block in self.blocks
        ]


def weights_of(*blocks: nn.Module) -> list[Weights]:
    return [{name: value.clone() for name, value in b.state_dict().items()} for b in blocks]


class Copies(dict[int, Copy]):
    """Each client's copy of some blocks, created when it first takes part."""

    def __init__(self, study: Study, *blocks: nn.Module) -> None:
        super().__init__()
        self.study, self.blocks = study, blocks

    def __missing__(self, client: int) -> Copy:
        self[client] = Copy(self.study, *self.blocks)
        return self[client]

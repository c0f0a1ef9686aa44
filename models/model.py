"""A model as an ordered list of named blocks that can be cut after every block."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import ModelError, checked_cut
from cutlayer.models.meta import answering, linear_shape, meta_call
from cutlayer.models.operators import NO_RULES, Rule

NamedBlock = tuple[str, nn.Module]


class Split(NamedTuple):
    """The two sides of a cut; both share their modules with the model that was split.

    The keys of their state dicts are the model's own (`blocks.3.conv.weight`), so they load into
    one another, into the model and into the parts of another cut without renaming.
    """

    device: nn.Sequential
    server: nn.Sequential


class Model(nn.Module):
    """Blocks in order; cut `c` leaves the first `c` of them on the device, the rest on the server.

    `input_shape` and all other shapes are per sample. `feature_blocks` is the number of leading
    blocks that form the convolutional feature extractor. `min_batch` is the smallest batch that can
    be trained: 2 where a BatchNorm sees a single value per channel and sample, else 1. `cost_rules`
    says what operations cost that Cutlayer has no rule for, by their names (`upsample_nearest2d`).
    Raises ModelError if the blocks do not turn such an input into one value per class.
    """

    blocks: nn.ModuleList

    def __init__(
        self,
        name: str,
        blocks: Sequence[NamedBlock],
        input_shape: Sequence[int],
        classes: int,
        feature_blocks: int,
        cost_rules: Mapping[str, Rule] = NO_RULES,
    ) -> None:
        super().__init__()
        names = [block_name for block_name, _ in blocks]
        if not names or len({*names}) < len(names):
            raise ModelError(f"model {name!r}: blocks need distinct names, got {names}")
        if not 0 <= feature_blocks <= len(names):
            raise ModelError(
                f"model {name!r}: feature_blocks must be 0 to {len(names)}, got {feature_blocks}"
            )
        self.name = name
        self.block_names = tuple(names)
        self.input_shape: Shape = tuple(input_shape)
        self.classes = classes
        self.feature_blocks = feature_blocks
        self.cost_rules = dict(cost_rules)
        self.blocks = nn.ModuleList(module for _, module in blocks)
        self._shapes, self.min_batch = trace_blocks(blocks, self.input_shape, model=name)
        if self._shapes[-1] != (classes,):
            raise ModelError(
                f"model {name!r}: the last block must give one value for each of {classes} "
                f"classes, it gives {self._shapes[-1]}"
            )

    def __len__(self) -> int:
        """The number of blocks, which is also the last cut."""
        return len(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (batch, classes) for a batch of inputs."""
        for block in self.blocks:
            x = block(x)
        return x

    def split(self, cut: int) -> Split:
        """The device block and the server block; an empty one passes its input on (cut 0, last)."""
        at = checked_cut(cut, len(self), self.name)
        return Split(self._part(0, at), self._part(at, len(self)))

    def activation_shape(self, cut: int) -> Shape:
        """Shape, per sample, of what crosses the cut; the input's at cut 0."""
        return self._shapes[checked_cut(cut, len(self), self.name)]

    def _part(self, start: int, stop: int) -> nn.Sequential:
        chosen = OrderedDict((str(i), self.blocks[i]) for i in range(start, stop))
        return nn.Sequential(OrderedDict(blocks=nn.Sequential(chosen)))


def trace_blocks(
    blocks: Sequence[NamedBlock], input_shape: Sequence[int], *, model: str = "?"
) -> tuple[list[Shape], int]:
    """Shapes per sample before, between and after the blocks, and the smallest batch; on `meta`."""
    shape = tuple(input_shape)
    if not shape or not all(isinstance(side, int) and side > 0 for side in shape):
        raise ModelError(
            f"model {model!r}: an input shape is whole numbers above zero such as (3, 32, 32), "
            f"got {shape}"
        )
    single_values = []

    def norm(module: _BatchNorm, x: Tensor) -> Tensor:
        if x.dim() < 2 or x.shape[1] != module.num_features:
            raise ValueError(
                f"BatchNorm of {module.num_features} channels got {tuple(x.shape[1:])}"
            )
        single_values.append(x[0, 0].numel() == 1)
        return x

    x = torch.empty(2, *shape, device="meta")
    shapes = [shape]
    for name, block in blocks:
        try:
            with answering(block, {_BatchNorm: norm, nn.Linear: linear_shape}):
                x = meta_call(block, x)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"model {model!r}: block {name!r} does not accept an input of shape "
                f"{shapes[-1]}, reached from {shape} ({reason})"
            ) from error
        shapes.append(tuple(x.shape[1:]))
    return shapes, 2 if any(single_values) else 1


def flat_features(blocks: Sequence[NamedBlock], input_shape: Sequence[int]) -> int:
    """Values per sample that leave the last block: what a fully connected layer then takes in."""
    shapes, _ = trace_blocks(blocks, input_shape)
    return prod(shapes[-1])

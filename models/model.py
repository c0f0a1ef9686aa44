"""A model as an ordered list of named blocks that can be cut after every block."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.models.block_cost import Shape
from cutlayer.models.draws import draws_of
from cutlayer.models.errors import ModelError, checked_cut
from cutlayer.models.meta import forward_replaced, linear_shape, meta_call, meta_outputs
from cutlayer.models.operators import NO_RULES, Rule
from cutlayer.models.tuning.tuning import FULL

NamedBlock = tuple[str, nn.Module]


class Split(NamedTuple):
    """The two parts of a model, which share their modules with it.

    The keys of their state dicts are those of the model (`blocks.3.conv.weight`), so a state dict also
    loads into the model and into the parts of another cut.
    """

    device: nn.Sequential
    server: nn.Sequential


class Model(nn.Module):
    """Blocks in order; cut `c` puts the first `c` of them on the device and the rest on the server.

    `input_shape` and all other shapes are per sample. `feature_blocks` is the number of leading
    blocks that form the convolutional feature extractor. `min_batch` is the smallest batch that can
    be trained: 2 if a BatchNorm gets a single value per channel and sample, otherwise 1. `cost_rules`
    maps the names of operations that Cutlayer has no rule for (`upsample_nearest2d`) to their costs.
    `frozen` are the keys, in the state dict, of the tensors that `tuning` does not train.
    `input_dtype` is torch.int64 for a model that takes tokens. `classes` is the number of values in an
    output: scores of classes, or numbers of a regression. A language model has such an output for each
    token. Raises ModelError if the blocks do not map an input of this shape to such an output.
    """

    draws = False

    blocks: nn.ModuleList

    def __init__(
        self,
        name: str,
        blocks: Sequence[NamedBlock],
        input_shape: Sequence[int],
        classes: int,
        feature_blocks: int,
        cost_rules: Mapping[str, Rule] = NO_RULES,
        input_dtype: torch.dtype = torch.float32,
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
        self.input_dtype = input_dtype
        self.blocks = nn.ModuleList(module for _, module in blocks)
        self.tuning = FULL
        self.frozen: frozenset[str] = frozenset()
        self._shapes, self.min_batch = trace_blocks(
            blocks, self.input_shape, model=name, dtype=input_dtype
        )
        if self._shapes[-1] not in ((classes,), (self.input_shape[0], classes)):
            raise ModelError(
                f"model {name!r}: the last block must give one value for each of {classes} "
                f"classes, it gives {self._shapes[-1]}"
            )

    def __len__(self) -> int:
        """Return the number of blocks, which is also the last cut."""
        return len(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs [batch, classes], or [batch, length, classes], for a batch of inputs."""
        for block in self.blocks:
            x = block(x)
        return x

    def split(self, cut: int) -> Split:
        """Return device block and server block; an empty one (cut 0, last cut) returns its input."""
        at = checked_cut(cut, len(self), self.name)
        return Split(self._part(0, at), self._part(at, len(self)))

    def activation_shape(self, cut: int) -> Shape:
        """Return the per-sample shape of the activation at the cut, the input's shape at cut 0."""
        return self._shapes[checked_cut(cut, len(self), self.name)]

    def own_name(self, block: int, rest: str) -> str:
        """Return the name of a tensor or submodule of a block, from its key within the block."""
        name = self.block_names[block]
        return f"{name}.{rest}" if rest else name

    def _part(self, start: int, stop: int) -> nn.Sequential:
        chosen = OrderedDict((str(i), self.blocks[i]) for i in range(start, stop))
        part: OrderedDict[str, nn.Module] = OrderedDict(blocks=nn.Sequential(chosen))
        if stop > start and (pack := exit_of(self.blocks[stop - 1])) is not None:
            part["pack"] = pack
        return nn.Sequential(part)


def trace_blocks(
    blocks: Sequence[NamedBlock],
    input_shape: Sequence[int],
    *,
    model: str = "?",
    dtype: torch.dtype = torch.float32,
) -> tuple[list[Shape], int]:
    """Return the shapes before, between and after the blocks (per sample), and the smallest batch."""
    shape = tuple(input_shape)
    if not shape or not all(isinstance(side, int) and side > 0 for side in shape):
        raise ModelError(
            f"model {model!r}: an input shape must be positive whole numbers such as (3, 32, 32), "
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

    x = torch.empty(2, *shape, device="meta", dtype=dtype)
    shapes = [shape]
    for name, block in blocks:
        try:
            draws = draws_of(block)
            with forward_replaced(block, {_BatchNorm: norm, nn.Linear: linear_shape}):
                x = (meta_outputs if hasattr(block, "exit") else meta_call)(block, x, draws=draws)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"model {model!r}: block {name!r} does not accept an input of shape "
                f"{shapes[-1]}, reached from {shape} ({reason})"
            ) from error
        pack = exit_of(block)
        shapes.append(tuple(x.shape[1:]) if pack is None else tuple(pack.shape))
    return shapes, 2 if any(single_values) else 1


def exit_of(block: nn.Module) -> Any:
    """Return the module that packs the outputs of a traced block that has several, otherwise None."""
    return getattr(block, "exit", None)


def flat_features(blocks: Sequence[NamedBlock], input_shape: Sequence[int]) -> int:
    """Return the number of values per sample that the last block gives to a fully connected layer."""
    shapes, _ = trace_blocks(blocks, input_shape)
    return prod(shapes[-1])

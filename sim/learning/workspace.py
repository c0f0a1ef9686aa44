"""The tensors of a run: named states, the modules that carry them, and the data feed.

Dropout, stochastic depth and noise draw from global generators. While a chain or an evaluation runs,
these are set to a stream of (seed, purpose, key, name, number) at the number-th call of a block and at
the number-th operation of a kind. A draw therefore does not depend on other clients or on when the
other side of the cut runs, and a cut model draws in its forward passes what the uncut one draws.

Not covered: draws in a backward pass (a custom autograd function) are reproducible, but differ from
those of the uncut model; a generator that a module keeps for itself is left alone.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, channels_last, nn

import cutlayer.models.catalogue
from cutlayer.models.draws import borrowed_generators, seed_generators, seed_of
from cutlayer.models.layers import auxiliary_head
from cutlayer.sim.learning.batch_feed import Feed
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.learning.replica import State


class Draws:
    """The random streams of one chain or one evaluation."""

    def __init__(self, seed: int, purpose: str, *key: int) -> None:
        self.seed = seed
        self.purpose = purpose
        self.key = key
        self._calls: Counter[str] = Counter()

    def begin(self, name: str) -> None:
        """Set the global generators to the stream of the next call of `name`."""
        number = self._calls[name]
        self._calls[name] += 1
        seed_generators(seed_of(self.seed, self.purpose, *self.key, name, number))


class Workspace:
    """The states by name, and one module for each part of the model.

    Everything is computed in `dtype`, to which the initial `states` are converted. It is float32 except
    in comparisons that must not depend on rounding.
    """

    def __init__(
        self,
        recipe: Recipe,
        feed: Feed,
        states: dict[str, State],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.recipe = recipe
        self.feed = feed
        self.dtype = dtype
        self.states: dict[str, Any] = {
            name: {key: self.converted(value) for key, value in state.items()}
            for name, state in states.items()
        }
        self.draws: Draws | None = None
        self._modules: dict[str, nn.Module] = {}

    def module(self, part: str, state: State) -> nn.Module:
        """Return the module of a part, loaded with `state` and without gradients.

        Chains run one at a time, so one module for each part is enough.
        """
        if part not in self._modules:
            new = channels_last_module(make_part(self.recipe, part)).to(self.dtype)
            for name, block in named_blocks(part, new):
                block.register_forward_pre_hook(partial(self._begin, name))
            self._modules[part] = new
        module = self._modules[part]
        module.load_state_dict(state)
        module.zero_grad(set_to_none=True)
        return module

    def converted(self, value: Tensor) -> Tensor:
        """Convert a floating-point tensor to the workspace's dtype; return others unchanged."""
        return value.to(self.dtype) if value.is_floating_point() else value

    @contextmanager
    def drawing(self, purpose: str, *key: int) -> Iterator[Draws]:
        """Let modules draw from the streams of (seed, purpose, key) within the context."""
        with borrowed_generators():
            self.draws = Draws(self.recipe.seed, purpose, *key)
            try:
                yield self.draws
            finally:
                self.draws = None

    def _begin(self, block: str, *_: object) -> None:
        if self.draws is not None:
            self.draws.begin(block)


def make_part(recipe: Recipe, part: str) -> nn.Module:
    """Build the device block, server block or auxiliary head of a recipe."""
    model = cutlayer.models.catalogue.build(
        recipe.model, classes=recipe.classes, input_shape=recipe.input_shape, seed=recipe.seed
    )
    if part == "head":
        shape = model.activation_shape(recipe.cut)
        return auxiliary_head(shape, recipe.classes, seed=recipe.seed)
    split = model.split(recipe.cut)
    return split.device if part == "device" else split.server


def named_blocks(part: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the blocks of a part, named by their index in the whole model."""
    if part == "head":
        yield part, module
        return
    for index, block in module.get_submodule("blocks").named_children():
        yield f"block {index}", block


def channels_last_module(module: nn.Module) -> nn.Module:
    """Return the module with its convolutions in channels-last order, which is faster on a CPU."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=channels_last)
    return module

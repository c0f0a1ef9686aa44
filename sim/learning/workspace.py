"""The tensors of a run: named states, the modules that carry them, and the data feed."""

from typing import Any

from torch import channels_last, nn

import models.catalogue
from models.head import auxiliary_head
from sim.learning.feed import Feed
from sim.learning.recipe import Recipe
from sim.learning.replica import State


class Workspace:
    """States by name; `module` gives a part's module loaded with a state."""

    def __init__(self, recipe: Recipe, feed: Feed, states: dict[str, Any]) -> None:
        self.recipe = recipe
        self.feed = feed
        self.states = states
        self._modules: dict[str, nn.Module] = {}

    def module(self, part: str, state: State) -> nn.Module:
        """Return the one working module of a part, loaded with `state`.

        Chains run one at a time, so one module per part is enough; its gradients are cleared.
        """
        if part not in self._modules:
            self._modules[part] = channels_last_module(make_part(self.recipe, part))
        module = self._modules[part]
        module.load_state_dict(state)
        module.zero_grad(set_to_none=True)
        return module


def make_part(recipe: Recipe, part: str) -> nn.Module:
    """Build the device block, server block or auxiliary head of a recipe."""
    network = models.catalogue.build(
        recipe.network, classes=recipe.classes, input_shape=recipe.input_shape, seed=recipe.seed
    )
    if part == "head":
        return auxiliary_head(network.activation_shape(recipe.cut), recipe.classes)
    split = network.split(recipe.cut)
    return split.device if part == "device" else split.server


def channels_last_module(module: nn.Module) -> nn.Module:
    """Return the module with its convolutions in channels-last order, which is faster on a CPU."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=channels_last)
    return module

"""Replicas: copies of a part of the model, each trained by one chain."""

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.sim.learning.recipe import Optimizer

State = dict[str, Tensor]


class Replica:
    """A module, its optimizer, and the activations that wait for gradients, by batch number.

    `frozen` names tensors that are not trained: they are not part of its weights.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        frozen: Collection[str] = (),
    ) -> None:
        self.module = module
        self.optimizer = optimizer
        self.frozen = frozen
        self.pending: dict[int, Tensor] = {}

    def step(self) -> None:
        """Apply the gradients and clear them."""
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next steps."""
        for group in [] if self.optimizer is None else self.optimizer.param_groups:
            group["lr"] = lr

    def optimizer_state(self) -> Mapping[str, Any] | None:
        """Return the state dict of the optimizer; None for a module without trained parameters."""
        return None if self.optimizer is None else self.optimizer.state_dict()

    def state(self, prefix: str = "") -> State:
        """Return a copy of the weights whose names begin with `prefix`."""
        return {name: value.clone() for name, value in self.weights(prefix).items()}

    def weights(self, prefix: str = "") -> State:
        """Return the weights themselves whose names begin with `prefix`; the next step changes them."""
        weights = self.module.state_dict().items()
        return {
            name: value.detach()
            for name, value in weights
            if name.startswith(prefix) and name not in self.frozen
        }


def train_on(loss: Tensor, *replicas: Replica) -> None:
    """Compute the gradients of a loss and apply them to the replicas."""
    torch.autograd.backward(loss)
    for replica in replicas:
        replica.step()


def make_optimizer(
    module: nn.Module,
    recipe: Optimizer,
    lr: float,
    saved: Mapping[str, Any] | None,
    frozen: Collection[str] = (),
) -> torch.optim.Optimizer | None:
    """Return the module's optimizer with learning rate `lr`, new or with a saved state.

    Returns None for a module without parameters besides the `frozen` ones.
    """
    parameters = [value for name, value in module.named_parameters() if name not in frozen]
    if not parameters:
        return None
    decay = recipe.weight_decay
    optimizer: torch.optim.Optimizer
    if recipe.name == "adam":
        optimizer = torch.optim.Adam(parameters, lr, weight_decay=decay)
    else:
        optimizer = torch.optim.SGD(
            parameters, lr, recipe.momentum, weight_decay=decay, nesterov=recipe.nesterov
        )
    if saved is not None:
        optimizer.load_state_dict(deepcopy(dict(saved)))  # steps change its tensors in place
        for group in optimizer.param_groups:
            group["lr"] = lr
    return optimizer

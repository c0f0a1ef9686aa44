"""A part of the model for all chains of a stack: weights and buffers with a leading dimension."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.sim.learning.recipe import Optimizer
from cutlayer.sim.learning.replica import State
from cutlayer.sim.learning.stacked.lanes import Lanes
from cutlayer.sim.learning.stacked.optimizers import StackedOptimizer


class StackedPart:
    """The replicas of a part of the model, one per lane; `module` gives the structure only.

    Tensors have the shape [lanes, ...]. Parameters that the module shares between layers exist once.
    Those that are `frozen` are the module's own, which all lanes share.
    """

    def __init__(
        self, module: nn.Module, states: Sequence[State], frozen: Collection[str] = ()
    ) -> None:
        self.module = module
        self.frozen = frozen
        self._own = {
            id(value): name for name, value in (*module.named_parameters(), *module.named_buffers())
        }
        named = module.state_dict(keep_vars=True).items()
        self.names = {  # of the states
            name: self._own[id(value)] for name, value in named if name not in frozen
        }
        first = {own: name for name, own in reversed(self.names.items())}
        lanes = len(states)

        def stacked(own: str, value: Tensor) -> Tensor:
            if own not in first:  # a buffer that is not part of the state
                return torch.stack([value.detach()] * lanes)
            return torch.stack([state[first[own]] for state in states])

        self.parameters = {
            n: stacked(n, value) for n, value in module.named_parameters() if n not in frozen
        }
        self.buffers = {
            n: stacked(n, value) for n, value in module.named_buffers() if n not in frozen
        }
        self.trained = {n for n, value in module.named_parameters() if value.requires_grad}
        self.optimizer: StackedOptimizer | None = None

    def optimize(
        self, recipe: Optimizer, lrs: Sequence[float], saved: Sequence[Mapping[str, Any] | None]
    ) -> None:
        """Give each lane an optimizer, new or with a saved state; see `StackedOptimizer`."""
        if self.parameters:
            self.optimizer = StackedOptimizer(
                self.module, recipe, self.parameters, lrs, saved, self.frozen
            )

    def turn(self, lanes: Lanes) -> "Turn":
        """Return the weights of some lanes, for one forward pass and the step that follows it.

        Other lanes may step before that, so the leaves do not share the stack's version counter.
        """
        leaves = {
            name: lanes.take(value).data.requires_grad_(name in self.trained)
            for name, value in self.parameters.items()
        }
        return Turn(self, lanes, leaves)

    def weights(self, lane: int, prefix: str = "") -> State:
        """Return views of a lane's weights whose names begin with `prefix`."""
        values = self.parameters | self.buffers
        return {
            name: values[own][lane] for name, own in self.names.items() if name.startswith(prefix)
        }


@dataclass(frozen=True)
class Turn:
    """The weights of some lanes as leaves of an autograd graph."""

    part: StackedPart
    lanes: Lanes
    leaves: Mapping[str, Tensor]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs [lanes, batch, ...] for inputs of the same form; update the buffers."""
        stacked = {n: self.lanes.take(value).clone() for n, value in self.part.buffers.items()}
        with _attention(inputs.device):
            outputs, buffers = vmap(self._one, randomness="error")(self.leaves, stacked, inputs)
        for name, value in buffers.items():
            own = self.lanes.take(self.part.buffers[name]).copy_(value.detach())
            self.lanes.put(self.part.buffers[name], own)
        assert isinstance(outputs, Tensor)
        return outputs

    def _one(
        self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        values = {**parameters, **buffers}
        outputs = functional_call(self.part.module, values, (inputs,))
        return outputs, {name: values[name] for name in buffers}

    def plain(self, inputs: Tensor) -> Tensor:
        """Return the outputs [batch, ...] of the first lane, without `vmap`; nothing changes."""
        values = {
            **{name: leaf[0].detach() for name, leaf in self.leaves.items()},
            **{name: self.lanes.take(b)[0].clone() for name, b in self.part.buffers.items()},
        }
        outputs: Tensor = functional_call(self.part.module, values, (inputs,))
        return outputs

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """Return the gradients of a sum over lanes, of the parameters that it depends on."""
        return gradients(loss, None, self)[0]

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Apply gradients to the weights of these lanes."""
        if self.part.optimizer is not None:
            self.part.optimizer.step(self.lanes, gradients)


class SharedPart:
    """A part with the same weights for all lanes, which is not trained: the samples are one batch.

    Only if BatchNorm uses the statistics of each batch do the lanes stay apart.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()
        self._by_sample = not any(
            isinstance(layer, _BatchNorm) and layer.running_mean is None
            for layer in module.modules()
        )

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs [lanes, batch, ...] for inputs of the same form."""
        outputs: Tensor
        if self._by_sample:
            outputs = self.module(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
        else:
            with _attention(inputs.device):
                outputs = vmap(self.module, randomness="error")(inputs)
        return outputs


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """Let attention consist of operations that `vmap` has rules for; its kernel on a CPU has none."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def gradients(output: Tensor, at_output: Tensor | None, *turns: Turn) -> list[dict[str, Tensor]]:
    """Return the gradients of each turn's weights, without those that do not affect `output`."""
    named = [(i, n, leaf) for i, turn in enumerate(turns) for n, leaf in turn.leaves.items()]
    named = [(i, name, leaf) for i, name, leaf in named if leaf.requires_grad]
    found: list[dict[str, Tensor]] = [{} for _ in turns]
    if named and output.requires_grad:
        values = torch.autograd.grad(
            output, [leaf for _, _, leaf in named], at_output, allow_unused=True
        )
        for (i, name, _), value in zip(named, values, strict=True):
            if value is not None:
                found[i][name] = value
    return found

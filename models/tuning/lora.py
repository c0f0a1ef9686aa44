"""Low-rank adapters of linear layers (Hu et al., LoRA, ICLR 2022, arXiv 2106.09685).

An adapted layer stays the object that it was, with the same weights: only its class is replaced by a
subclass of it. Files of weights without adapters, and code that reads `weight`, still fit.
"""

import math
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models.draws import seed_of
from cutlayer.models.errors import TuningError
from cutlayer.models.tuning.tuning import Lora

A: Final = "lora_a"
B: Final = "lora_b"


class Adapter(nn.Module):
    """What an adapted layer has beside its own class: the two factors, dropout and the scaling.

    `lora_a` has the shape [rank, inputs], `lora_b` [outputs, rank].
    """

    lora_a: nn.Parameter
    lora_b: nn.Parameter
    lora_dropout: nn.Module
    scaling: float
    weight: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's own output plus scaling * dropout(x) @ a.T @ b.T."""
        own: Tensor = super().forward(x)
        low = functional.linear(self.lora_dropout(x), self.lora_a)
        return own + functional.linear(low, self.lora_b) * self.scaling

    def update(self) -> Tensor:
        """Return what the adapter adds to `weight`, in its shape."""
        product = self.lora_b.detach() @ self.lora_a.detach() * self.scaling
        return product.T if is_transposed(self) else product

    def merge(self) -> None:
        """Add the update to `weight`, and become a layer of the class that was adapted."""
        self.weight.data.add_(self.update())
        layer: Any = self
        del layer.lora_a, layer.lora_b, layer.lora_dropout, layer.scaling
        _, layer.__class__ = type(self).__bases__


def is_adaptable(layer: nn.Module) -> bool:
    """Return whether a layer is linear: `nn.Linear`, or `Conv1D` of the library `transformers`."""
    return isinstance(layer, nn.Linear) or is_transposed(layer)


def is_transposed(layer: nn.Module) -> bool:
    """Return whether a layer is a `Conv1D` of `transformers`, with a weight of [inputs, outputs]."""
    return any(
        kind.__module__ == "transformers.pytorch_utils" and kind.__name__ == "Conv1D"
        for kind in type(layer).__mro__
    )


def adapt(layer: nn.Module, lora: Lora, seed: int, name: str) -> None:
    """Give a linear layer an adapter, which at first adds zeros.

    `lora_a` is drawn as the weights of `nn.Linear` are, from a stream of `seed` of the layer's name.
    Raises TuningError for a rank that is larger than both sides of the weight.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    outputs, inputs = reversed(weight.shape) if is_transposed(layer) else weight.shape
    if lora.rank > max(inputs, outputs):
        rule = f"must be at most {max(inputs, outputs)}, the longer side of {name}"
        raise TuningError(rule, ("lora", "rank"))
    first = torch.empty(lora.rank, inputs, device=weight.device, dtype=weight.dtype)
    if not weight.is_meta:
        drawn = torch.empty(lora.rank, inputs)
        generator = torch.Generator().manual_seed(seed_of(seed, "initial lora", name))
        nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
        first.copy_(drawn)
    adapted: Any = layer
    adapted.__class__ = _adapted(adapted.__class__)
    adapted.lora_a = nn.Parameter(first)
    adapted.lora_b = nn.Parameter(weight.detach().new_zeros(outputs, lora.rank))
    adapted.lora_dropout = nn.Dropout(lora.dropout) if lora.dropout else nn.Identity()
    adapted.scaling = lora.alpha / lora.rank


@cache
def _adapted(kind: Any) -> Any:
    return type(f"Lora{kind.__name__}", (Adapter, kind), {"draws": False, "__module__": __name__})


def adapters(module: nn.Module) -> dict[str, Adapter]:
    """Return the adapted layers of a module by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, Adapter)}


def adapter_tensors(module: nn.Module) -> frozenset[str]:
    """Return the keys, in the state dict, of the tensors of adapters."""
    return frozenset(
        f"{name}.{own}" if name else own for name in adapters(module) for own in (A, B)
    )

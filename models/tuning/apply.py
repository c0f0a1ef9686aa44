"""Apply a tuning to a module that has just been built."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch
from torch import nn

from cutlayer.models.errors import TuningError
from cutlayer.models.meta import meta_outputs, meta_state
from cutlayer.models.model import Model
from cutlayer.models.tuning.freeze import freeze, round_frozen
from cutlayer.models.tuning.lora import Adapter, adapt, adapters, is_adaptable
from cutlayer.models.tuning.names import matching, own_name
from cutlayer.models.tuning.tuning import FULL, Lora, Tuning
from cutlayer.suggestion import suggestion

_TARGETS: Final = ("lora", "targets")
_LISTED: Final = 4


class Tuned(NamedTuple):
    """The keys of the tensors of a module that are not trained, and the names of adapted layers."""

    frozen: frozenset[str] = frozenset()
    adapted: tuple[str, ...] = ()


def tune(module: nn.Module, tuning: Tuning, seed: int) -> Tuned:
    """Add adapters to a module, and freeze the tensors that are not trained.

    A plain module is tuned before it is traced. Raises TuningError.
    """
    if not tuning.freezes:
        return Tuned()
    if tuning.lora is not None:
        _adapt(module, tuning.lora, seed)
    frozen = freeze(module, tuning)
    return Tuned(frozen, tuple(own_name(module, key) for key in adapters(module)))


def _adapt(module: nn.Module, lora: Lora, seed: int) -> None:
    layers = dict(module.named_modules())
    names = {key: own_name(module, key) for key in layers if key}
    linear = {key: name for key, name in names.items() if is_adaptable(layers[key])}
    for pattern in lora.targets:
        chosen = matching((pattern,), names, "layer", _TARGETS)
        if not chosen & linear.keys():
            key = min(chosen)
            raise TuningError(
                f"{pattern!r} matches {names[key]}, of type {type(layers[key]).__name__}: adapters are "
                f"for linear layers{suggestion(None, linear.values(), listed=_LISTED)}",
                _TARGETS,
            )
        for key in sorted(chosen & linear.keys()):
            if not isinstance(layers[key], Adapter):
                adapt(layers[key], lora, seed, names[key])
    for layer in layers.values():
        if isinstance(layer, nn.TransformerEncoderLayer) and adapters(layer):
            layer.activation_relu_or_gelu = 0  # no fused kernel, which reads weights by itself


def finished(model: Model, tuning: Tuning, tuned: Tuned) -> Model:
    """Return a model that has its tuning, with frozen tensors rounded.

    If the model is on `meta`, raises TuningError for an adapted layer that it does not call, and for a
    frozen tensor that a forward pass in training changes.
    """
    if tuning.freezes:
        model.tuning, model.frozen = tuning, tuned.frozen
        if next(model.parameters()).is_meta:
            _check_forward(model, tuned.adapted)
        else:
            round_frozen(model)
    return model


def merge(model: Model) -> None:
    """Add the adapters of a model to the weights of their layers, which remain as plain ones.

    All tensors of the model are then trained, as without a tuning.
    """
    for layer in adapters(model).values():
        layer.merge()
    model.requires_grad_(True)
    model.tuning, model.frozen = FULL, frozenset()


def _check_forward(model: Model, names: Sequence[str]) -> None:
    called: set[nn.Module] = set()
    found = {own_name(model, key): layer for key, layer in adapters(model).items()}
    with _hooked(found, called), _training(model):
        x: object = torch.empty(2, *model.input_shape, device="meta", dtype=model.input_dtype)
        for index, block in enumerate(model.blocks):
            state = meta_state(block)
            before = {name: (value, value._version) for name, value in state.items()}
            x = meta_outputs(block, x, state)
            for name, (value, version) in before.items():
                key = f"blocks.{index}.{name}"
                if key in model.frozen and (state[name] is not value or value._version > version):
                    _refuse_changed(model, key)
    for name in names:
        if found.get(name) not in called:
            raise TuningError(
                f"cannot adapt {name}: the forward pass reads its weight instead of calling it, as "
                "nn.MultiheadAttention does with out_proj",
                _TARGETS,
            )


def _refuse_changed(model: Model, key: str) -> None:
    name, frozen = own_name(model, key), bool(model.tuning.frozen)
    instead = "do not name it" if frozen else "name it in trainable"
    raise TuningError(
        f"cannot freeze {name}: a forward pass in training changes it, so {instead}",
        ("frozen",) if frozen else ("trainable",) if model.tuning.trainable else ("lora",),
    )


@contextmanager
def _training(model: Model) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    try:
        model.train()
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _hooked(layers: dict[str, Adapter], called: set[nn.Module]) -> Iterator[None]:
    handles = [
        layer.register_forward_hook(lambda module, *_: called.add(module))
        for layer in layers.values()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""Tensors that are not trained: parameters without gradients, buffers that do not change."""

from collections.abc import Collection, Iterable, Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from cutlayer.models.errors import TuningError
from cutlayer.models.model import Model
from cutlayer.models.tuning.frozen import TYPES
from cutlayer.models.tuning.lora import adapter_tensors
from cutlayer.models.tuning.names import matching, own_name
from cutlayer.models.tuning.tuning import Tuning


def freeze(module: nn.Module, tuning: Tuning) -> frozenset[str]:
    """Freeze the tensors that a tuning does not train, and return their keys in the state dict.

    Raises TuningError if a pattern matches nothing, if no parameter is left to train, or if one tensor
    would be both.
    """
    tensors = module.state_dict(keep_vars=True)
    adapted = adapter_tensors(module)
    names = {key: own_name(module, key) for key in tensors if key not in adapted}
    field = "frozen" if tuning.frozen else "trainable" if tuning.trainable else "lora"
    if tuning.frozen:
        frozen = matching(tuning.frozen, names, "tensor", ("frozen",))
    else:
        frozen = names.keys() - matching(tuning.trainable, names, "tensor", ("trainable",))
    parameters = {key: t for key, t in tensors.items() if isinstance(t, nn.Parameter)}
    if parameters.keys() <= frozen:
        raise TuningError("leaves no parameter to train", (field,))
    _check_shared(module, parameters, frozen, field)
    for key, parameter in parameters.items():
        if key in frozen:
            parameter.requires_grad_(False)
        elif not tuning.frozen:
            parameter.requires_grad_(True)
    _freeze_statistics(module, frozen, field)
    return frozenset(frozen)


def _check_shared(
    module: nn.Module, parameters: Mapping[str, Tensor], frozen: Collection[str], field: str
) -> None:
    """Refuse a tensor that has a frozen name and one that is not."""
    names: dict[int, list[str]] = {}
    for key, parameter in parameters.items():
        names.setdefault(id(parameter), []).append(key)
    for keys in names.values():
        if len({key in frozen for key in keys}) > 1:
            one, other, *_ = (own_name(module, key) for key in sorted(keys))
            raise TuningError(f"must treat {one} and {other} alike: they are one tensor", (field,))


def _freeze_statistics(module: nn.Module, frozen: Collection[str], field: str) -> None:
    for path, layer in module.named_modules():
        if not isinstance(layer, _NormBase) or layer.running_mean is None:
            continue
        keys = [f"{path}.{name}" if path else name for name in ("running_mean", "running_var")]
        if len({key in frozen for key in keys}) > 1:
            one, other = (own_name(module, key) for key in keys)
            raise TuningError(f"must treat {one} and {other} alike", (field,))
        if keys[0] in frozen:
            use_running_statistics(layer)


def use_running_statistics(layer: nn.Module) -> None:
    """Let a normalisation use its running statistics, and not change them, in training too."""
    layer.eval()
    layer.train = lambda mode=True: layer  # type: ignore[method-assign]  # noqa: ARG005


def round_frozen(model: Model) -> None:
    """Round the frozen tensors of a model to their type; they stay float32 otherwise."""
    kind = TYPES[model.tuning.frozen_type]
    tensors = model.state_dict(keep_vars=True)
    for tensor in _floating(tensors[key] for key in model.frozen):
        tensor.data.copy_(tensor.data.to(kind))


def _floating(tensors: Iterable[Tensor]) -> Iterable[Tensor]:
    return (tensor for tensor in tensors if tensor.is_floating_point())

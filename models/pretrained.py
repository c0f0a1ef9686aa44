"""Save modules to weights files (safetensors, with the recipe of their training), and load them.

Keys are those of the model (`blocks.0.conv.weight`), so one file with the whole feature extractor works
for every cut: `load_into(model.split(cut).device, path)` loads the device block (EcoFed's partial
initialisation), `load_into(model.split(model.feature_blocks).device, path)` all convolutional blocks
(holistic).
"""

import json
import os
import secrets
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from cutlayer.models.errors import WeightsError
from cutlayer.models.tuning.lora import adapter_tensors
from cutlayer.models.weights_files import load_weights, type_name


def save_weights(
    path: str | PathLike[str], weights: nn.Module | Mapping[str, Tensor], recipe: Mapping[str, str]
) -> None:
    """Write a module's state dict, or any tensors by name, with the recipe that produced them.

    The file is written completely or not at all. Raises WeightsError if it cannot be written.
    """
    content = weights_bytes(weights, recipe)
    target = Path(path)
    unfinished = target.with_name(f".{os.getpid()}-{secrets.token_hex(8)}.part")
    try:
        try:
            unfinished.write_bytes(content)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(
            f"weights file {str(path)!r} cannot be written ({error.strerror})"
        ) from error


def weights_bytes(weights: nn.Module | Mapping[str, Tensor], recipe: Mapping[str, str]) -> bytes:
    """Return the content of a weights file; equal arguments give equal bytes.

    Raises WeightsError for a recipe with other than strings.
    """
    tensors = weights.state_dict() if isinstance(weights, nn.Module) else weights
    odd = [key for key, value in recipe.items() if not isinstance(value, str)]
    if odd:
        raise WeightsError(f"a recipe must hold strings, {odd[0]!r} is {recipe[odd[0]]!r}")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return _ordered(save(plain, metadata=dict(recipe)))


def _ordered(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in order; safetensors writes them in any order."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors are aligned
    return len(text).to_bytes(8, "little") + text + content[end:]


def load_into(module: nn.Module, path: str | PathLike[str]) -> dict[str, str]:
    """Fill all tensors of a module from a file and return the recipe.

    Floating-point tensors are converted to the module's types; tensors that the module lacks are
    ignored, and adapters that the file lacks stay as they are. Raises WeightsError, leaving the module
    unchanged, if another tensor is missing, not finite, or has another shape or kind of numbers.
    """
    tensors, recipe = load_weights(path)
    needed, optional = module.state_dict(), adapter_tensors(module)
    fitting = {}
    for name, tensor in needed.items():
        where = f"weights file {str(path)!r}: tensor {name!r}"
        shape, kind = tuple(tensor.shape), type_name(tensor)
        if name not in tensors and name in optional:
            continue
        if name not in tensors:
            missing = f"is missing among its {len(tensors)} tensors"
            raise WeightsError(f"{where} of shape {shape} {missing}")
        stored = tensors[name]
        if stored.shape != shape:
            raise WeightsError(f"{where} has shape {tuple(stored.shape)}, expected {shape}")
        if _kind(stored) != _kind(tensor):
            raise WeightsError(f"{where} holds {type_name(stored)} numbers, expected {kind}")
        fitting[name] = stored.to(tensor.dtype)
        if not torch.isfinite(fitting[name]).all():
            raise WeightsError(f"{where} is not finite in {kind}")
    module.load_state_dict(needed | fitting)
    return recipe


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "float"
    return "complex" if tensor.is_complex() else "bool" if tensor.dtype == torch.bool else "whole"

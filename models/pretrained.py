"""Weights on disk: safetensors files with the recipe that made them, and the shipped ones.

Nothing is ever unpickled. Keys are those of the network (`blocks.0.conv.weight`), so one file with
the whole feature extractor serves every cut: `load_into(network.split(cut).device, path)` takes the
device block out of it (EcoFed's partial initialisation), and
`load_into(network.split(network.feature_blocks).device, path)` all convolutional blocks (holistic).
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.errors import WeightsError

SHIPPED = Path(__file__).parent / "weights"


def save_weights(
    path: str | PathLike[str], weights: nn.Module | Mapping[str, Tensor], recipe: Mapping[str, str]
) -> None:
    """Writes a module's state dict, or any tensors by name, and how they came about.

    The file appears whole or not at all. Raises WeightsError if it cannot be written.
    """
    tensors = weights.state_dict() if isinstance(weights, nn.Module) else weights
    odd = [key for key, value in recipe.items() if not isinstance(value, str)]
    if odd:
        raise WeightsError(f"a recipe holds texts by name, {odd[0]!r} is {recipe[odd[0]]!r}")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    target = Path(path)
    unfinished = target.with_name(target.name + ".part")
    try:
        unfinished.write_bytes(save(plain, metadata=dict(recipe)))
        unfinished.replace(target)
    except OSError as error:
        raise WeightsError(
            f"weights file {str(path)!r} cannot be written ({error.strerror})"
        ) from error


def load_weights(path: str | PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, and the recipe. Raises WeightsError if the file cannot be read."""
    if not Path(path).is_file():
        raise WeightsError(f"weights file {str(path)!r} does not exist or is not a file")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            return tensors, dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"weights file {str(path)!r} cannot be read as safetensors ({error})"
        ) from error


def load_into(module: nn.Module, path: str | PathLike[str]) -> dict[str, str]:
    """Fills all of the module's tensors from the file and returns the recipe.

    Tensors that the module does not have are ignored. Raises WeightsError, with the module left as
    it was, if one that it needs is missing or has another shape.
    """
    tensors, recipe = load_weights(path)
    needed = module.state_dict()
    for name, tensor in needed.items():
        expected = tuple(tensor.shape)
        if name not in tensors:
            raise WeightsError(
                f"weights file {str(path)!r}: tensor {name!r} of shape {expected} is missing "
                f"among its {len(tensors)} tensors"
            )
        got = tuple(tensors[name].shape)
        if got != expected:
            raise WeightsError(
                f"weights file {str(path)!r}: tensor {name!r} has shape {got}, expected {expected}"
            )
        if not torch.isfinite(tensors[name]).all():
            raise WeightsError(f"weights file {str(path)!r}: tensor {name!r} is not finite")
    module.load_state_dict({name: tensors[name] for name in needed})
    return recipe


def shipped(name: str) -> Path | None:
    """The file `name`.safetensors that came with the package, None if there is none."""
    files = {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}
    return files.get(name)

"""Weights on disk: safetensors files with the recipe that made them, and the shipped ones.

Nothing is ever unpickled. Keys are those of the network (`blocks.0.conv.weight`), so one file with
the whole feature extractor serves every cut: `load_into(network.split(cut).device, path)` takes the
device block out of it (EcoFed's partial initialisation), and
`load_into(network.split(network.feature_blocks).device, path)` all convolutional blocks (holistic).
"""

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.errors import WeightsError

SHIPPED = Path(__file__).parent / "weights"
MAX_BYTES: Final = 4 * 2**30
MAX_HEADER_BYTES: Final = 8 * 2**20


def save_weights(
    path: str | PathLike[str], weights: nn.Module | Mapping[str, Tensor], recipe: Mapping[str, str]
) -> None:
    """Writes a module's state dict, or any tensors by name, and how they came about.

    The file appears whole or not at all. Raises WeightsError if it cannot be written.
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
    """The content of a weights file. Raises WeightsError for a recipe that is not texts by name."""
    tensors = weights.state_dict() if isinstance(weights, nn.Module) else weights
    odd = [key for key, value in recipe.items() if not isinstance(value, str)]
    if odd:
        raise WeightsError(f"a recipe holds texts by name, {odd[0]!r} is {recipe[odd[0]]!r}")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return save(plain, metadata=dict(recipe))


def weights_exist(path: str | PathLike[str]) -> bool:
    """Whether a file is there. Raises WeightsError where that cannot be told."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"weights file {str(path)!r} cannot be read ({_reason(error)})"
        ) from None


def load_weights(path: str | PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, and the recipe. Raises WeightsError if the file cannot be read.

    Numbers of fewer bits than float32's (bfloat16, float16, float8) become float32, which holds
    them exactly.
    """
    with _opened(path) as file:
        tensors = {
            name: _widened(path, name, file.get_tensor(name)) for name in sorted(file.keys())
        }
        return tensors, dict(file.metadata() or {})


def converted_types(path: str | PathLike[str]) -> dict[str, int]:
    """How many tensors of a file are in which type other than float32 (`BF16`: 10), by its name.

    Whole numbers and truth values, which are not converted, are left out. Raises WeightsError.
    """
    with _opened(path) as file:
        names = sorted(file.keys())
        found = Counter(file.get_slice(name).get_dtype() for name in names)
    return {name: n for name, n in sorted(found.items()) if "F" in name and name != "F32"}


def load_into(module: nn.Module, path: str | PathLike[str]) -> dict[str, str]:
    """Fills all of the module's tensors from the file and returns the recipe.

    Floating-point numbers are converted to the module's own. Tensors that the module does not have
    are ignored. Raises WeightsError, with the module left as it was, if one that it needs is
    missing, has another shape, or holds another kind of numbers.
    """
    tensors, recipe = load_weights(path)
    needed = module.state_dict()
    fitting = {}
    for name, tensor in needed.items():
        expected = tuple(tensor.shape)
        if name not in tensors:
            raise WeightsError(
                f"weights file {str(path)!r}: tensor {name!r} of shape {expected} is missing "
                f"among its {len(tensors)} tensors"
            )
        found = tensors[name]
        got = tuple(found.shape)
        if got != expected:
            raise WeightsError(
                f"weights file {str(path)!r}: tensor {name!r} has shape {got}, expected {expected}"
            )
        if _kind(found) != _kind(tensor):
            raise WeightsError(
                f"weights file {str(path)!r}: tensor {name!r} holds {_type(found)} numbers, "
                f"expected {_type(tensor)}"
            )
        fitting[name] = found.to(tensor.dtype)
        if not torch.isfinite(fitting[name]).all():
            raise WeightsError(
                f"weights file {str(path)!r}: tensor {name!r} is not finite in {_type(tensor)}"
            )
    module.load_state_dict(fitting)
    return recipe


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[Any]:
    where = f"weights file {str(path)!r}"
    if not weights_exist(path):
        raise WeightsError(f"{where} does not exist or is not a file")
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            raise WeightsError(f"{where} has {size:,} bytes: at most {MAX_BYTES:,} are read")
        with Path(path).open("rb") as file:
            start = file.read(8)
        header = int.from_bytes(start, "little")
        if MAX_HEADER_BYTES < header <= size:
            raise WeightsError(
                f"{where} has a header of {header:,} bytes: at most {MAX_HEADER_BYTES:,} are read"
            )
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{where} cannot be read as safetensors ({_reason(error)}){_hint(path)}"
        ) from error


def _widened(path: str | PathLike[str], name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point() or tensor.dtype in (torch.float32, torch.float64):
        return tensor
    try:
        return tensor.to(torch.float32)
    except (NotImplementedError, RuntimeError):
        raise WeightsError(
            f"weights file {str(path)!r}: tensor {name!r} holds {_type(tensor)} numbers, which are "
            "not read: store it as float32"
        ) from None


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "float"
    return "complex" if tensor.is_complex() else "bool" if tensor.dtype == torch.bool else "whole"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    lines = (said or str(error) or type(error).__name__).splitlines()
    return lines[0][:160]


def _hint(path: str | PathLike[str]) -> str:
    """Return what to do about a file of torch.save, which is told by its first bytes."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
    except OSError:
        return ""
    if start.startswith((b"PK", b"\x80")):
        return ": it looks like a file of torch.save, which could run code; save it as safetensors"
    return ""


def shipped(name: str) -> Path | None:
    """The file `name`.safetensors that came with the package, None if there is none."""
    files = {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}
    return files.get(name)

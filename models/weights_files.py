"""Weights files (safetensors): how to find them, read them and compute their fingerprint.

Importing this module does not import torch. Only `load_weights` needs it, and the fingerprint of a file
that holds floating-point types below float32. Nothing is ever unpickled.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from cutlayer.models.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = Path(__file__).parent / "weights"
MAX_BYTES: Final = 4 * 2**30
MAX_HEADER_BYTES: Final = 8 * 2**20
_TORCH_SAVE: Final = (
    ": it looks like a file of torch.save, which can run code; save it as safetensors"
)

# Types that are kept when a tensor is read, and torch's names for them.
KEPT: Final = {
    "F32": "torch.float32",
    "F64": "torch.float64",
    "I64": "torch.int64",
    "I32": "torch.int32",
    "I16": "torch.int16",
    "I8": "torch.int8",
    "U8": "torch.uint8",
    "BOOL": "torch.bool",
}


def shipped(name: str) -> Path | None:
    """Return the file `name`.safetensors of the package, or None."""
    return next((path for path in SHIPPED.glob("*.safetensors") if path.stem == name), None)


def weights_exist(path: str | PathLike[str]) -> bool:
    """Return whether a file exists. Raises WeightsError if the path cannot be examined."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"weights file {str(path)!r} cannot be read ({_reason(error)})"
        ) from None


def converted_types(path: str | PathLike[str]) -> dict[str, int]:
    """Count a file's floating-point tensors by type (`BF16`: 10), without those of float32.

    Integer and boolean tensors, which are not converted, are left out. Raises WeightsError.
    """
    with opened(path, "np") as file:
        types = Counter(_types(file).values())
    return {name: n for name, n in sorted(types.items()) if "F" in name and name != "F32"}


def fingerprint(path: str | PathLike[str]) -> str:
    """Return a fingerprint of a file's tensors, without its metadata. Raises WeightsError."""
    with opened(path, "np") as file:
        types = _types(file)
        if KEPT.keys() >= set(types.values()):
            return _fingerprint(
                (name, KEPT[kind], file.get_tensor(name)) for name, kind in types.items()
            )
    tensors, _ = load_weights(path)
    return _fingerprint((name, str(t.dtype), t.numpy()) for name, t in sorted(tensors.items()))


def load_weights(path: str | PathLike[str]) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Return a file's tensors by name, and its recipe. Raises WeightsError if it cannot be read.

    Smaller floating-point types (bfloat16, float16, float8) become float32, which holds them exactly.
    """
    with opened(path, "pt") as file:
        tensors = {
            name: _widened(path, name, file.get_tensor(name)) for name in sorted(file.keys())
        }
        return tensors, dict(file.metadata() or {})


def load_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """Return the metadata of a file without reading its tensors. Raises WeightsError."""
    with opened(path, "np") as file:
        return dict(file.metadata() or {})


def _types(file: Any) -> dict[str, str]:
    return {name: file.get_slice(name).get_dtype() for name in sorted(file.keys())}


def _widened(path: str | PathLike[str], name: str, tensor: "Tensor") -> "Tensor":
    if not tensor.is_floating_point() or str(tensor.dtype) in ("torch.float32", "torch.float64"):
        return tensor
    try:
        return tensor.float()
    except (NotImplementedError, RuntimeError):
        raise WeightsError(
            f"weights file {str(path)!r}: tensor {name!r} holds {type_name(tensor)} numbers, which "
            "cannot be read: store it as float32"
        ) from None


def type_name(tensor: "Tensor") -> str:
    """Return the name of a tensor's type without torch's prefix, such as "float32"."""
    return str(tensor.dtype).removeprefix("torch.")


def _fingerprint(arrays: Iterable[tuple[str, str, NDArray[Any]]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, kind, array in arrays:
        shape = ", ".join(map(str, array.shape)) + ("," if array.ndim == 1 else "")
        digest.update(f"{name}({kind}, ({shape}))".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@contextmanager
def opened(path: str | PathLike[str], framework: str) -> Iterator[Any]:
    """Open a weights file to read tensors of torch (`framework` "pt") or numpy ("np").

    Raises WeightsError, also for errors while it is read.
    """
    where = f"weights file {str(path)!r}"
    start = b""
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
        with safe_open(path, framework=framework) as opened:
            yield opened
    except (OSError, SafetensorError) as error:
        hint = _TORCH_SAVE if start.startswith((b"PK", b"\x80")) else ""
        raise WeightsError(
            f"{where} cannot be read as safetensors ({_reason(error)}){hint}"
        ) from error


def _reason(error: Exception) -> str:
    message = error.strerror if isinstance(error, OSError) else None
    return (message or str(error) or type(error).__name__).splitlines()[0][:160]

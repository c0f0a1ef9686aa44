"""Untrusted pickles of plain containers and uint8 arrays.

The official CIFAR python batches are pickles, and a pickle can call any function. Here the names that
numpy needs for an array resolve to the stand-ins below, which only store their arguments, and all other
names are rejected.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError


class _Dtype:
    def __init__(self, code: str | bytes, *_: object) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code

    def __setstate__(self, state: object) -> None:
        """Ignore the byte order: single bytes have none."""


class _Array:
    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _, self.shape, self.dtype, self.column_major, self.raw = state

    def array(self) -> NDArray[np.uint8]:
        if self.dtype.code not in ("u1", "|u1"):
            raise ValueError(f"an array of type {self.dtype.code!r} where uint8 was expected")
        values = np.frombuffer(self.raw, np.uint8)
        return values.reshape(self.shape, order="F" if self.column_major else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in encoding {encoding!r} where latin1 was expected")
    return text.encode("latin1")


# numpy.ndarray appears only as an argument of _reconstruct, which ignores it.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")
        return _ALLOWED[module, name]


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the dictionary pickled in a file: arrays of uint8, containers, strings and numbers.

    Keys and arrays are decoded at the top level only; nested arrays do not occur in CIFAR's files.
    """
    with path.open("rb") as file:
        try:
            content = _Unpickler(file, encoding="bytes").load()
            if not isinstance(content, dict):
                raise ValueError(f"a {type(content).__name__} where a dictionary was expected")
            return {_text(key): _value(value) for key, value in content.items()}
        except Exception as error:  # a damaged pickle may raise anything
            raise DataError(
                f"{path}: not a pickle of plain containers and uint8 arrays ({error})"
            ) from error


def _text(key: object) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)


def _value(value: object) -> object:
    return value.array() if isinstance(value, _Array) else value

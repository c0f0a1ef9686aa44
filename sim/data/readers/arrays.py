"""Arrays from untrusted `.npy` and `.npz` files.

Nothing is unpickled, and no more memory is allocated than the file has data. Errors are sentences that
follow the file's name.
"""

import zipfile
import zlib
from collections.abc import Collection
from math import prod
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError

INTEGERS: Final = "iu"
HEADERS: Final = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array in a `.npy` file. Raises DataError."""
    with path.open("rb") as file:
        return _array(file, path.stat().st_size)


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays in a `.npz` file. Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [member.filename.removesuffix(".npy") for member in archive.infolist()]
    except zipfile.BadZipFile as error:
        raise DataError(f"is not a sound .npz file ({error})") from None


def read_npz(
    path: Path, most_bytes: int, *, names: Collection[str] | None = None, kinds: str = INTEGERS
) -> dict[str, NDArray[Any]]:
    """Return the arrays in a `.npz` file, by name: all, or those named.

    `kinds` are the letters of the types (`numpy.dtype.kind`) that they may have. Raises DataError above
    `most_bytes` in all.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                member
                for member in archive.infolist()
                if names is None or member.filename.removesuffix(".npy") in names
            ]
            total = sum(member.file_size for member in members)
            if total > most_bytes:
                raise DataError(f"holds {total:,} bytes, and at most {most_bytes:,} are read")
            arrays = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in arrays:
                    raise DataError(f"holds {name[:100]!r} twice")
                with archive.open(member) as file:
                    arrays[name] = _array(file, member.file_size, kinds)
            return arrays
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"is not a sound .npz file ({error})") from None


def _array(file: IO[bytes], size: int, kinds: str = INTEGERS) -> NDArray[Any]:
    try:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise DataError(f"is in version {version} of the .npy format: expected 1.0 or 2.0")
        shape, columns_first, dtype = HEADERS[version](file)
    except DataError:
        raise
    except Exception as error:  # a damaged header may raise anything
        raise DataError(f"is not a sound .npy file ({str(error)[:100]})") from None
    if (
        prod(shape, start=1) == 0 and dtype.kind in "iuf" and kinds == INTEGERS
    ):  # numpy stores an empty list as float64
        dtype = np.dtype(np.int64)
    if dtype.kind not in kinds:
        expected = "whole numbers were" if kinds == INTEGERS else "numbers or texts were"
        raise DataError(f"holds {dtype} where {expected} expected")
    announced = prod(shape, start=1) * dtype.itemsize
    content = file.read(min(announced, size) + 1)
    if len(content) != announced:
        raise DataError(f"announces {announced:,} bytes of numbers and holds a different amount")
    values = np.frombuffer(content, dtype)
    if dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise DataError("holds a whole number beyond 2^63")
    return values.reshape(shape, order="F" if columns_first else "C")

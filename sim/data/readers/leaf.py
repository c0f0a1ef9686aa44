"""Files in LEAF's format (Caldas et al., 2018, "all_data" files): samples by user, as JSON.

    {"users": [name, ...], "num_samples": [n, ...], "user_data": {name: {"x": [...], "y": [...]}}}

`x` holds numbers (text and file names of images are rejected), `y` holds classes numbered from 0.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError
from cutlayer.topologies.text_file import unique_keys

MAX_BYTES: Final = 256_000_000  # of one file; a folder may hold several


class LeafSamples(NamedTuple):
    """All samples in the order of files and users; `owners` are the users' indices."""

    users: tuple[str, ...]
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    owners: NDArray[np.int64]


def leaf_files(path: Path) -> list[Path]:
    """Return the file, or the `.json` files of the folder. Raises DataError if there are none."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise DataError(f"{path}: is neither a file nor a folder with .json files in it")
    return files


def read_leaf(files: list[Path]) -> LeafSamples:
    """Read such files in order. Raises DataError with one sentence."""
    users: dict[str, None] = {}
    inputs, labels, sizes = [], [], []
    for file in files:
        for user, x, y in _users_of(file):
            if user in users:
                raise DataError(f"{file}: has the user {user[:100]!r} twice")
            users[user] = None
            sizes.append(len(y))
            if len(y):
                inputs.append(x)
                labels.append(y)
                if x.shape[1:] != inputs[0].shape[1:]:
                    raise DataError(
                        f"{file}: the samples of {user[:100]!r} have shape {x.shape[1:]}, "
                        f"those before {inputs[0].shape[1:]}"
                    )
    if not inputs:
        raise DataError(f"{files[0]}: has no samples")
    owners = np.repeat(np.arange(len(users)), sizes)
    return LeafSamples(tuple(users), np.concatenate(inputs), np.concatenate(labels), owners)


def _users_of(file: Path) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.int64]]]:
    content = _json(file)
    users, counts, data = (content.get(key) for key in ("users", "num_samples", "user_data"))
    if not (isinstance(users, list) and isinstance(counts, list) and isinstance(data, dict)):
        raise DataError(f"{file}: expected users, num_samples and user_data, as LEAF writes them")
    if len(users) != len(counts):
        raise DataError(f"{file}: has {len(users)} users and {len(counts)} num_samples")
    if repeated := [user for user, times in Counter(map(str, users)).items() if times > 1]:
        raise DataError(f"{file}: has the user {repeated[0][:100]!r} twice")
    for user, count in zip(users, counts, strict=True):
        where = f"{file}: {str(user)[:100]!r}"
        samples = data.pop(user, None) if isinstance(user, str) else None
        if not isinstance(samples, dict):
            raise DataError(f"{where}: has no user_data")
        x, y = samples.get("x"), samples.get("y")
        if not (isinstance(x, list) and isinstance(y, list)):
            raise DataError(f"{where}: expected lists x and y")
        if not len(x) == len(y) == count:
            raise DataError(
                f"{where}: has {len(x)} in x, {len(y)} in y and {str(count)[:20]} in num_samples"
            )
        yield user, _numbers(x, f"{where}: x").astype(np.float32), _classes(y, where)


def _json(file: Path) -> dict[str, Any]:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{file}: has {size:,} bytes, and at most {MAX_BYTES:,} are read")
        content = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=unique_keys)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None
    except RecursionError:
        raise DataError(f"{file}: is nested too deeply") from None
    except DataError:
        raise
    except ValueError as error:  # not UTF-8, not JSON, or a number with too many digits
        raise DataError(f"{file}: is not JSON ({str(error)[:100]})") from None
    return content if isinstance(content, dict) else {}


def _numbers(values: list[Any], where: str) -> NDArray[Any]:
    try:
        numbers = np.array(values)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: the samples have different shapes") from None
    if numbers.dtype.kind not in "iuf":
        raise DataError(f"{where}: expected numbers only (text is not supported)")
    return numbers


def _classes(values: list[Any], where: str) -> NDArray[np.int64]:
    labels = _numbers(values, f"{where}: y")
    if labels.ndim != 1 or not np.isfinite(labels).all() or (labels != np.floor(labels)).any():
        raise DataError(f"{where}: y: expected one class for each sample, a whole number")
    if len(labels) and (labels.min() < 0 or labels.max() > 10**6):
        raise DataError(
            f"{where}: y: expected classes numbered from 0, got {labels.min():g} to {labels.max():g}"
        )
    return labels.astype(np.int64)

"""The 1,797 handwritten digits of 8 x 8 pixels in scikit-learn, enlarged to 32 x 32.

Bilinear with half-pixel centres and clamped edges, in integers: the same bytes on every machine.
"""

import gzip
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.content_hash import content_hash
from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers import Chunk, Split

FILE = "datasets/data/digits.csv.gz"
SIDE = 8
SCALE = 4
BRIGHTEST = 16
# The content hash of `read_digits`, part of the declared identity.
CONTENT = "1cdd30c920a3460b1fabd2779acfce3b"


def read_digits(root: Path | None, split: Split) -> Iterator[Chunk]:  # noqa: ARG001 - no file
    """Yield all digits as the training split, the only one."""
    if split == "train":
        images, labels, content = _enlarged()
        if content != CONTENT:
            raise DataError(
                f"digits: the images of the installed scikit-learn differ from those declared here "
                f"(content {content}, expected {CONTENT})"
            )
        yield Chunk(images, labels, None)


@cache
def _enlarged() -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    """Return images, labels and their content hash: 2 MB that a process keeps and nobody may change."""
    table = _table()
    images = enlarge(table[:, :-1].reshape(-1, SIDE, SIDE))[:, np.newaxis]
    labels = table[:, -1].copy()
    for array in (images, labels):
        array.flags.writeable = False
    return images, labels, content_hash([images, labels])


def _table() -> NDArray[np.int64]:
    """Return the file of the digits in scikit-learn: 64 pixels and the label in each row.

    Without importing scikit-learn, which takes a second. Raises DataError.
    """
    package = find_spec("sklearn")
    folders = [] if package is None else package.submodule_search_locations or []
    for folder in folders:
        with suppress(FileNotFoundError), gzip.open(Path(folder) / FILE) as file:
            return np.loadtxt(file, dtype=np.int64, delimiter=",", ndmin=2)
    raise DataError(f"digits: the installed scikit-learn has no {FILE}")


def enlarge(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Enlarge [n, 8, 8] images of 0..16 to [n, 32, 32] images of 0..255, rounded half up."""
    weights = _weights()
    denominator = (2 * SCALE) ** 2 * BRIGHTEST
    enlarged = weights @ images @ weights.T * 255
    return ((2 * enlarged + denominator) // (2 * denominator)).astype(np.uint8)


def _weights() -> NDArray[np.int64]:
    """Return the [32, 8] interpolation matrix in units of 1 / (2 SCALE)."""
    weights = np.zeros((SIDE * SCALE, SIDE), np.int64)
    for row in range(SIDE * SCALE):
        # The centre of the row in units of 1 / (2 SCALE) source pixels, from the first centre.
        whole, part = divmod(2 * row + 1 - SCALE, 2 * SCALE)
        weights[row, max(whole, 0)] += 2 * SCALE - part
        weights[row, min(whole + 1, SIDE - 1)] += part
    return weights

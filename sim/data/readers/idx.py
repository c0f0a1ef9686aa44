"""MNIST and Fashion-MNIST in the IDX format, plain or gzip.

IDX (LeCun): two zero bytes, 0x08 for unsigned bytes, the number of dimensions, each dimension as a
big-endian 32-bit number, then the bytes.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers import Chunk, Split, checked_labels, find_folder

SIDE = 28
CLASSES = 10
PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
BLOCK_BYTES = 1 << 20
FOLDERS = {
    "mnist": ("MNIST/raw", "mnist"),
    "fashion_mnist": ("FashionMNIST/raw", "fashion-mnist"),
}


def read_mnist(name: str, root: Path | None, split: Split) -> Iterator[Chunk]:
    """Yield the one file of "mnist" or "fashion_mnist", in one of its `FOLDERS` or in `root`.

    With Debian's package dataset-fashion-mnist, `root` may be /usr/share/datasets.
    """
    stems = (f"{PREFIX[split]}-images-idx3-ubyte", f"{PREFIX[split]}-labels-idx1-ubyte")
    folder = find_folder(name, root, FOLDERS[name], [stems[0], f"{stems[0]}.gz"])
    images_path, labels_path = (_existing(name, folder, stem) for stem in stems)
    images = read_idx(images_path, dimensions=3)
    labels = read_idx(labels_path, dimensions=1)
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{images_path}: expected images of {SIDE} x {SIDE} pixels, "
            f"found {images.shape[1]} x {images.shape[2]}"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: expected one label for each of the {len(images)} images of "
            f"{images_path.name}, found {len(labels)}"
        )
    checked = checked_labels(labels_path, labels, CLASSES)
    yield Chunk(images[:, np.newaxis], checked, images_path)


def _existing(name: str, folder: Path, stem: str) -> Path:
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{name}: {folder} has neither {stem} nor {stem}.gz")


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Return the unsigned bytes of an IDX file with `dimensions` dimensions. Raises DataError."""
    header_bytes = 4 + 4 * dimensions
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(header_bytes)
            magic = bytes((0, 0, 8, dimensions))
            if len(header) < header_bytes or header[:4] != magic:
                raise DataError(
                    f"{path}: expected an IDX header starting {magic.hex(' ')}, "
                    f"found {header[:4].hex(' ') or 'an empty file'}"
                )
            shape = [int(n) for n in np.frombuffer(header, ">u4", offset=4)]
            announced = int(np.prod(shape, dtype=object))
            # Read at most one block beyond the announced bytes, never all of a huge file.
            content = bytearray()
            while len(content) <= announced and (block := file.read(BLOCK_BYTES)):
                content += block
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if len(content) != announced:
        size = f"{len(content):,}" if len(content) < announced else "more"
        raise DataError(
            f"{path}: its header announces {' x '.join(map(str, shape))} = {announced:,} bytes, "
            f"found {size}"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)

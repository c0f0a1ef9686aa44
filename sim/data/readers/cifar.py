"""CIFAR-10 and CIFAR-100 in their official layouts, python (pickles) and binary (records).

A record of the binary layout is one label byte (CIFAR-100: coarse, then fine), then 3 x 32 x 32
bytes in the order red, green, blue. Files may hold fewer records than the official ones.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers import Chunk, Split, checked_labels, find_folder
from cutlayer.sim.data.readers.numpy_pickle import read_pickle

PIXELS = 3 * 32 * 32
COARSE_CLASSES = 20


class Layout(NamedTuple):
    """A file layout of a CIFAR set: its folder, the suffix of its files, and their reader."""

    folder: str
    suffix: str
    read: Callable[[Path], Chunk]


def read_cifar(name: str, root: Path | None, split: Split) -> Iterator[Chunk]:
    """Yield the samples of "cifar10" or "cifar100" (with fine labels), one file at a time."""
    layouts, stems = LAYOUTS[name], FILES[name]
    layout_of = {
        f"{stem}{layout.suffix}": layout
        for layout in layouts
        for stem in (*stems["train"], *stems["test"])
    }
    folder = find_folder(name, root, [layout.folder for layout in layouts], list(layout_of))
    layout = next(layout for file, layout in layout_of.items() if (folder / file).is_file())
    paths = [folder / f"{stem}{layout.suffix}" for stem in stems[split]]
    missing = [path.name for path in paths if not path.is_file()]
    for path in paths:
        if path.name in missing:
            raise DataError(
                f"{name}: {folder} lacks {', '.join(missing)}, needed for the {split} samples "
                f"requested ({split}_samples can request fewer)"
            )
        yield layout.read(path)


def _binary(path: Path, *, label_bytes: int, classes: int) -> Chunk:
    record = label_bytes + PIXELS
    content = np.fromfile(path, np.uint8)
    if content.size == 0 or content.size % record:
        raise DataError(
            f"{path}: expected a multiple of {record:,} bytes (one record each), "
            f"found {content.size:,}: the file is truncated or is of another data set"
        )
    records = content.reshape(-1, record)
    if label_bytes == 2:
        checked_labels(path, records[:, 0], COARSE_CLASSES)
    labels = checked_labels(path, records[:, label_bytes - 1], classes)
    return Chunk(records[:, label_bytes:].reshape(-1, 3, 32, 32), labels, path)


def _python(path: Path, *, label_key: str, classes: int) -> Chunk:
    content = read_pickle(path)
    images, labels = content.get("data"), content.get(label_key)
    if not isinstance(images, np.ndarray) or not isinstance(labels, list):
        raise DataError(
            f"{path}: expected an array 'data' and a list '{label_key}', "
            f"found the keys {', '.join(sorted(content)) or 'none'}"
        )
    if images.shape != (len(labels), PIXELS) or not labels:
        raise DataError(
            f"{path}: expected 'data' of shape ({len(labels)}, {PIXELS}), one row per label, "
            f"found {images.shape}"
        )
    if not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise DataError(f"{path}: '{label_key}' must hold whole numbers 0 to {classes - 1} only")
    checked = checked_labels(path, np.array(labels, np.int64), classes)
    return Chunk(images.reshape(-1, 3, 32, 32), checked, path)


FILES: dict[str, dict[Split, tuple[str, ...]]] = {
    "cifar10": {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)},
    "cifar100": {"train": ("train",), "test": ("test",)},
}
LAYOUTS = {
    "cifar10": (
        Layout("cifar-10-batches-py", "", partial(_python, label_key="labels", classes=10)),
        Layout("cifar-10-batches-bin", ".bin", partial(_binary, label_bytes=1, classes=10)),
    ),
    "cifar100": (
        Layout("cifar-100-python", "", partial(_python, label_key="fine_labels", classes=100)),
        Layout("cifar-100-binary", ".bin", partial(_binary, label_bytes=2, classes=100)),
    ),
}

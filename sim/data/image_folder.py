"""Data sets from folders of images: each subfolder has the images of the class of its name."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers.files import Stamps, stamps
from cutlayer.sim.data.readers.pictures import ENDINGS, check_shape, decoded
from cutlayer.sim.data.samples import Samples, declaration
from cutlayer.suggestion import suggestion

SPLITS: Final = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})


def images_declaration(train: Path, test: Path | None, shape: tuple[int, ...]) -> DatasetInfo:
    """Read one or two folders of images and return their declaration. Raises DataError.

    `shape` is that of the images (channels, height, width), to which others are resized.
    """
    check_shape(shape)
    files = [one for path in (train, test) if path is not None for _, one in _images(path)]
    return _declaration(train, test, shape, stamps(files))


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _declaration(
    train: Path, test: Path | None, shape: tuple[int, ...], files: Stamps
) -> DatasetInfo:
    del files
    names = _classes(train)
    parts = []
    for path in (train, test):
        if path is None:
            continue
        for name in _classes(path):
            if name not in names:
                raise DataError(
                    f"{path}: has the class {name!r}, which {train} has not{suggestion(name, names)}"
                )
        found = _images(path)
        images = np.empty((len(found), *shape), np.uint8)
        for index, (_, file) in enumerate(found):
            images[index] = decoded(file, shape)
        labels = np.array([names.index(name) for name, _ in found], np.int64)
        parts.append(Samples((), images, labels))
    return declaration(
        "images", train, parts[0], parts[1] if len(parts) > 1 else None, class_names=names
    )


def _classes(path: Path) -> list[str]:
    """Return the names of the subfolders. Raises DataError."""
    if not path.is_dir():
        raise DataError(f"{path}: is not a folder")
    names = sorted(
        one.name for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")
    )
    if not names:
        raise DataError(f"{path}: has no subfolders: expected one with the images of each class")
    if len(names) > 1 and {name.lower() for name in names} <= SPLITS:
        raise DataError(
            f"{path}: its subfolders {' and '.join(names)} look like splits, not classes: "
            f"give them as train and test"
        )
    return names


def _images(path: Path) -> list[tuple[str, Path]]:
    """Return the image files of a folder and their classes, in order. Raises DataError."""
    found = []
    for name in _classes(path):
        files = sorted(
            one
            for one in (path / name).rglob("*")
            if one.suffix.lower() in ENDINGS and one.is_file() and not one.name.startswith(".")
        )
        if not files:
            raise DataError(
                f"{path / name}: has no images ({', '.join(ENDINGS)}): expected those of a class"
            )
        found += [(name, file) for file in files]
    return found

"""Data sets from folders of images: each subfolder has the images of the class of its name."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from cutlayer.sim.data.class_folders import check_test_classes, class_files, class_folders
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.data.readers.files import Stamps, stamps
from cutlayer.sim.data.readers.pictures import ENDINGS, check_shape, decoded
from cutlayer.sim.data.samples import Samples, declaration


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
    names = class_folders(train, "images")
    if test is not None:
        check_test_classes(test, train, "images")
    parts = []
    for path in (train, test):
        if path is None:
            continue
        found = _images(path)
        images = np.empty((len(found), *shape), np.uint8)
        for index, (_, file) in enumerate(found):
            images[index] = decoded(file, shape)
        labels = np.array([names.index(name) for name, _ in found], np.int64)
        parts.append(Samples((), images, labels))
    return declaration(
        "images", train, parts[0], parts[1] if len(parts) > 1 else None, class_names=names
    )


def _images(path: Path) -> list[tuple[str, Path]]:
    return class_files(path, ENDINGS, "images")

"""Folders of files by class: each subfolder has the files of the class of its name."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from cutlayer.sim.data.info import DataError
from cutlayer.suggestion import suggestion

SPLITS: Final = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})


def class_folders(path: Path, noun: str) -> list[str]:
    """Return the names of the subfolders; `noun` is what is in them. Raises DataError."""
    if not path.is_dir():
        raise DataError(f"{path}: is not a folder")
    names = sorted(
        one.name for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")
    )
    if not names:
        raise DataError(f"{path}: has no subfolders: expected one with the {noun} of each class")
    if len(names) > 1 and {name.lower() for name in names} <= SPLITS:
        raise DataError(
            f"{path}: its subfolders {' and '.join(names)} look like splits, not classes: "
            f"give them as train and test"
        )
    return names


def class_files(path: Path, endings: Collection[str], noun: str) -> list[tuple[str, Path]]:
    """Return the files in the subfolders with their classes, in order. Raises DataError."""
    found = []
    for name in class_folders(path, noun):
        files = sorted(
            one
            for one in (path / name).rglob("*")
            if one.suffix.lower() in endings and one.is_file() and not one.name.startswith(".")
        )
        if not files:
            raise DataError(
                f"{path / name}: has no {noun} ({', '.join(endings)}): expected those of a class"
            )
        found += [(name, file) for file in files]
    return found


def check_test_classes(test: Path, train: Path, noun: str) -> None:
    """Raise DataError if a folder of test samples has a class that the training folder lacks."""
    names = class_folders(train, noun)
    for name in class_folders(test, noun):
        if name not in names:
            raise DataError(
                f"{test}: has the class {name!r}, which {train} has not{suggestion(name, names)}"
            )

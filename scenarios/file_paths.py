"""Which values of a scenario name files. They are relative to the file in which they are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cutlayer.models.packaged import packaged
from cutlayer.models.weights_files import shipped
from cutlayer.scenarios.aliases import fits
from cutlayer.scenarios.problems import KeyPath
from cutlayer.scenarios.shipped import shipped_traces

Place = Callable[[KeyPath, str], str]

_TABLES: Final = ("csv", "jsonl", "parquet", "arrow")
_TEXTS: Final = ("text_folder", "text")

# By the top-level key; `*` stands for one key or entry.
_FIELDS: Final = {
    "data": (
        "dir",
        "partition.file",
        "partition.file.path",
        *(
            f"dataset.{form}{field}"
            for form in (*_TABLES, *_TEXTS, "leaf", "images", "npz")
            for field in ("", ".train", ".test")
        ),
        "dataset.fortunes.folder",
        *(f"dataset.{form}.tokenizer.file" for form in (*_TABLES, *_TEXTS, "fortunes")),
        *(f"dataset.{form}.tokenizer.file.file" for form in (*_TABLES, *_TEXTS, "fortunes")),
    ),
    "devices": ("*.profile",),
    "speeds": ("*.scores",),
    "availability": ("*.trace",),
    "topology": ("network_file.file",),
    "methods": ("*.*.weights",),
}
_RATES: Final = ("up", "down", "rate")  # of a link or medium, anywhere in a topology


def place_files(data: Any, place: Place, path: KeyPath = ()) -> Any:
    """Return a scenario's plain data, or what stands at `path` of it, with `place` applied to files.

    Names of shipped traces and weights, and of tokenizers in installed packages, stay.
    """
    if isinstance(data, dict):
        return {key: place_files(value, place, (*path, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [place_files(value, place, (*path, index)) for index, value in enumerate(data)]
    return place(path, data) if isinstance(data, str) and _is_file(data, path) else data


def absolute(_: KeyPath, file: str) -> str:
    """Return a file's absolute path, as a `Place`."""
    return str(Path(file).absolute())


def beside(source: str) -> Place:
    """Return the `Place` of files that are relative to the file `source`."""
    folder = Path(source).parent
    return lambda _, file: str(folder / file)


def _is_file(value: str, path: KeyPath) -> bool:
    if not value or not path or path[0] not in _FIELDS:
        return False
    if path[0] == "topology" and path[-1] == "trace" and path[-2] in _RATES:
        return value not in shipped_traces()
    for pattern in _FIELDS[str(path[0])]:
        keys = pattern.split(".")
        if fits(keys, path[1:]):
            if "tokenizer" in keys:
                return packaged(value) is None
            return keys[-1] != "weights" or shipped(value) is None
    return False

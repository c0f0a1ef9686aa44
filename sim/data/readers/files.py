"""The files of a data set: one file, or all files of a folder with certain endings."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cutlayer.sim.data.info import DataError

Stamps = tuple[tuple[str, int, int], ...]
"""Name, time of the last change (ns) and size of files: a file that has changed is read again."""
MAX_NAMED: Final = 5
MAX_TEXT_BYTES: Final = 1_000_000_000  # of one file of text


def data_files(path: Path, endings: Collection[str]) -> list[Path]:
    """Return the file, or the files of the folder with these endings. Raises DataError if none exist."""
    files = [path]
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix.lower() in endings)
    if not files or not all(file.is_file() for file in files):
        named = " or ".join(endings)
        inner = sorted(one.name for one in path.iterdir() if one.is_dir()) if path.is_dir() else []
        hint = f"; its subfolders are {', '.join(inner[:MAX_NAMED])}" if inner else ""
        raise DataError(f"{path}: is neither a file nor a folder with {named} files in it{hint}")
    return files


def stamps(files: Iterable[Path]) -> Stamps:
    """Return the stamps of files. Raises DataError."""
    found = []
    for file in files:
        with errors_of(file):
            state = file.stat()
        found.append((str(file), state.st_mtime_ns, state.st_size))
    return tuple(found)


@contextmanager
def errors_of(file: Path | str) -> Iterator[None]:
    """Raise DataError for a file that cannot be read or is not text in UTF-8.

    `file` is its name in the message, or where it is named.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not text in UTF-8") from None


def check_size(file: Path) -> None:
    """Raise DataError for a file of text that is too large."""
    with errors_of(file):
        size = file.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise DataError(
            f"{file}: has {size:,} bytes, and at most {MAX_TEXT_BYTES:,} are read as text: "
            f"convert it to Parquet or .npz"
        )

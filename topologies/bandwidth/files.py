"""The text of a recording, plain or compressed, and errors that name its line."""

import gzip
import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGEST: Final = 256 * 2**20
NUMBER: Final = rb"[+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][+-]?\d{1,2})?"

Stamp = tuple[str, int, int]


class TraceError(ValueError):
    """A recording that is not there or cannot be read; says in which line."""


def stamp(path: str) -> Stamp:
    """Return what tells a file from others and from its own later contents, or raise TraceError."""
    file = Path(path)
    try:
        if not file.is_file():
            raise TraceError(f"{path} is {'a folder' if file.is_dir() else 'not there'}")
        found = file.stat()
    except (OSError, ValueError) as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{path} cannot be read: {error}") from None
    return str(file.absolute()), found.st_mtime_ns, found.st_size


def content(path: str) -> bytes:
    """Return the bytes of a file, decompressed if it is named .gz, or raise TraceError."""
    opener: Any = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            text: bytes = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(f"{path} cannot be read: {error}") from None
    if len(text) > LARGEST:
        raise TraceError(f"{path} is longer than {LARGEST // 2**20} MiB")
    text = text.removeprefix(b"\xef\xbb\xbf")
    if not text.strip():
        raise TraceError(f"{path} is empty")
    return text


class Lines:
    """The lines of a text that hold data, each of which should match `pattern`.

    Their `columns` are separated by commas. The first line is skipped if it matches `header`.
    Empty lines do not count.
    """

    def __init__(
        self,
        path: str,
        text: bytes,
        pattern: bytes,
        expected: str,
        *,
        columns: int = 1,
        header: bytes | None = None,
    ) -> None:
        self.path = path
        self.text = text
        self._pattern = re.compile(rb"\s*" + pattern + rb"\s*")
        self._expected = expected
        self._columns = columns
        first = text.split(b"\n", 1)[0].strip()
        self.skipped = int(header is not None and re.fullmatch(header, first) is not None)
        if next(self.numbered(), None) is None:
            raise TraceError(f"{path} has a header and nothing below it")

    def numbers(self, kind: type) -> NDArray[Any]:
        """Return the numbers of all lines, a row for each, or raise TraceError."""
        try:
            table: NDArray[Any] = np.loadtxt(
                BytesIO(self.text),
                dtype=kind,
                comments=None,
                delimiter="," if self._columns > 1 else None,
                skiprows=self.skipped,
                ndmin=2,
                encoding="latin-1",
            )
        except ValueError:
            raise self.first_bad() from None
        if table.shape[1] != self._columns or not np.isfinite(table).all():
            raise self.first_bad()
        return table

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line that holds data with its number, from 1."""
        for line, text in enumerate(self.text.split(b"\n"), 1):
            if line > self.skipped and text.strip():
                yield line, text.strip()

    def matches(self, text: bytes) -> bool:
        """Whether a line is as expected."""
        return self._pattern.fullmatch(text) is not None

    def error(self, row: int, complaint: str) -> TraceError:
        """Return the error to raise about a row, counted from 0."""
        line, text = next(found for index, found in enumerate(self.numbered()) if index == row)
        return TraceError(f"{self.path}, line {line}: {complaint}, got {_shown(text)}")

    def first_bad(self) -> TraceError:
        """Return the error to raise about the first line that does not match."""
        for row, (_, text) in enumerate(self.numbered()):
            if not self.matches(text):
                return self.error(row, f"expected {self._expected}")
        raise AssertionError(f"every line of {self.path} matches")


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("latin-1"))

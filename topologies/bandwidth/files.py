"""The lines of a recording, plain or compressed, and errors that name a line.

A recording has at most 128 MiB, decompressed, and 20 million lines of at most 1,000 characters.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache, wraps
from io import BytesIO
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError
from cutlayer.topologies.column_units import ColumnUnitError
from cutlayer.topologies.text_file import NUMBER, FileState, TextFileError, file_state, read_text

MAX_BYTES: Final = 128 * 2**20
MAX_LINES: Final = 20_000_000
MAX_LINE_LENGTH: Final = 1000

_NUMERIC: Final = re.compile(rf"{NUMBER}|[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_NUMERALS: Final = b"0123456789+-.eE, \t\n"
_BEFORE_DATA: Final = re.compile(r"(?:[ \t]*\n)*[^\n]*\n?")  # blank lines and the header

Reader = TypeVar("Reader", bound=Callable[..., Any])


class TraceError(UserError):
    """A recording that does not exist or cannot be read; the message names the line."""


def read_once(read: Reader) -> Reader:
    """Decorate a function that reads the file at a path, so that it reads again only after a change."""

    @lru_cache(maxsize=64)
    def known(_: FileState, path: str, *args: Any, **kwargs: Any) -> Any:
        return read(path, *args, **kwargs)

    @wraps(read)
    def current(path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            version = file_state(path)
        except TextFileError as error:
            raise TraceError(f"{path} {error}") from None
        return known(version, path, *args, **kwargs)

    return cast(Reader, current)


class Lines:
    """The data lines of a recording, each of which should match `pattern`.

    Their `columns` are separated by commas. With `header`, the first line is a header if none of its
    cells is a number; `titles` has its cells. Empty lines are skipped. Raises TraceError for a file
    that cannot be read, or has more than `max_lines` lines.
    """

    def __init__(
        self,
        path: str,
        pattern: str,
        expected: str,
        *,
        columns: int = 1,
        header: bool = False,
        max_lines: int = MAX_LINES,
    ) -> None:
        self.path = path
        self._pattern = re.compile(rf"[ \t]*{pattern}[ \t]*")
        self._expected = expected
        self._columns = columns
        try:
            self._text = read_text(path, MAX_BYTES)
        except TextFileError as error:
            raise TraceError(f"{path} {error}") from None
        self._check_lines(max_lines)
        self._begin, self._line = 0, 1  # of the data: the position in the text, and the line number
        first = next(self.numbered(), None)
        if first is None:
            raise TraceError(f"{path} is empty")
        self.header_line = first[0]
        cells = tuple(cell.strip() for cell in first[1].split(","))
        self.titles: tuple[str, ...] | None = None
        if header and not any(_NUMERIC.fullmatch(cell) for cell in cells):
            self.titles = cells
            data = _BEFORE_DATA.match(self._text)
            assert data is not None
            self._begin, self._line = data.end(), first[0] + 1
            if next(self.numbered(), None) is None:
                raise TraceError(f"{path} has a header, but no data")
            if len(cells) != columns:
                raise self.title_error(
                    f"expected {columns} columns, {expected}, separated by commas, got {len(cells)}"
                )

    def numbers(self, kind: type) -> NDArray[Any]:
        """Return the numbers of all lines, one row per line. Raises TraceError."""
        body = self._text[self._begin :].encode()
        if body.translate(None, _NUMERALS):
            raise self.first_bad()
        try:
            table = self._parsed(body, kind)
        except ValueError:
            bad = self._first_bad()
            if bad is not None:
                raise bad from None
            # Lines of blanks are accepted.
            table = self._parsed("\n".join(text for _, text in self.numbered()).encode(), kind)
        if table.shape[1] != self._columns or not np.isfinite(table).all():
            raise self.first_bad()
        return table

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Yield each data line with its number, from 1."""
        for line, text in enumerate(self._text[self._begin :].split("\n"), self._line):
            if stripped := text.strip(" \t"):
                yield line, stripped

    def matches(self, text: str) -> bool:
        """Whether a line has the expected form."""
        return self._pattern.fullmatch(text) is not None

    def error(self, row: int, complaint: str) -> TraceError:
        """Return the error to raise about a row, counted from 0."""
        line, text = next(found for index, found in enumerate(self.numbered()) if index == row)
        return TraceError(f"{self.path}, line {line}: {complaint}, got {text[:40]!r}")

    def refuse(self, bad: NDArray[np.bool_], complaint: str) -> None:
        """Raise TraceError about the first row that is bad, if one is."""
        if bad.any():
            raise self.error(int(bad.argmax()), complaint)

    def title_error(self, complaint: object) -> TraceError:
        """Return the error to raise about the header."""
        return TraceError(f"{self.path}, line {self.header_line}: {complaint}")

    def units(self, *readers: Callable[[str], Fraction | None]) -> list[Fraction]:
        """Return the units of the last columns by their titles; 1 for a column without a unit."""
        if self.titles is None:
            return [Fraction(1)] * len(readers)
        titles = self.titles[-len(readers) :]
        try:
            return [read(title) or Fraction(1) for read, title in zip(readers, titles, strict=True)]
        except ColumnUnitError as error:
            raise self.title_error(error) from None

    def first_bad(self) -> TraceError:
        """Return the error to raise about the first line that does not match."""
        found = self._first_bad()
        assert found is not None, f"every line of {self.path} matches"
        return found

    def _first_bad(self) -> TraceError | None:
        for row, (_, text) in enumerate(self.numbered()):
            if not self.matches(text):
                return self.error(row, f"expected {self._expected}")
        return None

    def _parsed(self, body: bytes, kind: type) -> NDArray[Any]:
        with warnings.catch_warnings():
            # Before numpy 2.4, loadtxt reads "1.5" as the integer 1 and only warns.
            warnings.simplefilter("error", DeprecationWarning)
            try:
                table: NDArray[Any] = np.loadtxt(
                    BytesIO(body),
                    dtype=kind,
                    comments=None,
                    delimiter="," if self._columns > 1 else None,
                    ndmin=2,
                    encoding="latin-1",
                )
            except DeprecationWarning as warning:
                raise ValueError(str(warning)) from warning
        return table

    def _check_lines(self, max_lines: int) -> None:
        count = self._text.count("\n") + 1
        if count > max_lines:
            raise TraceError(f"{self.path} has {count:,} lines: at most {max_lines:,} are read")
        content = np.frombuffer(self._text.encode(), np.uint8)
        ends = np.append(np.flatnonzero(content == ord("\n")), len(content))
        lengths = np.diff(ends, prepend=-1) - 1
        longest = int(lengths.argmax())
        if lengths[longest] > MAX_LINE_LENGTH:
            raise TraceError(
                f"{self.path}, line {longest + 1}: expected at most {MAX_LINE_LENGTH:,} bytes a"
                f" line, got {lengths[longest]:,}"
            )

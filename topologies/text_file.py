"""Reading a user's file as text, within limits: an ordinary file in UTF-8, plain or compressed.

Anything else (a folder, a pipe, a device, an endless file) is refused in one sentence, before it can
block or fill the memory.
"""

import gzip
import json
import math
import re
import stat
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.topologies.units import format_size

NUMBER: Final = r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?"
"""A number in ASCII, of bounded length and within the range of a float."""
_NUMBER: Final = re.compile(rf"\s*{NUMBER}\s*")

FileState = tuple[str, int, int]

_KINDS: Final = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: Final = b"\x1f\x8b"


class TextFileError(UserError):
    """A file that cannot be read as text. The message is a sentence that follows the file's name."""


def file_state(path: str | PathLike[str]) -> FileState:
    """Return what identifies a file with its present content.

    Raises TextFileError unless it is an ordinary file.
    """
    file = Path(path)
    try:
        found = file.stat()
    except FileNotFoundError:
        raise TextFileError("does not exist") from None
    except (OSError, ValueError) as error:
        raise TextFileError(f"cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for test, name in _KINDS if test(found.st_mode)), "special file")
        raise TextFileError(f"is a {kind}, not a file")
    return str(file.absolute()), found.st_mtime_ns, found.st_size


def read_text(path: str | PathLike[str], max_bytes: int) -> str:
    r"""Return the text of a file of up to `max_bytes`, with "\n" at the end of every line.

    A file whose name ends in .gz is decompressed, and the limit holds for the result. A byte-order
    mark is removed. Raises TextFileError for anything but UTF-8 text without control characters.
    """
    content = _content(Path(path), max_bytes)
    if content.startswith(_UTF_16):
        raise TextFileError("is text in UTF-16: save it as UTF-8")
    if content.startswith(_GZIP):
        raise TextFileError("is compressed: expected a name that ends in .gz, or plain text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TextFileError(f"is not text in UTF-8 (line {line})") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    control = _CONTROL.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        raise TextFileError(
            f"is not text: line {line} holds the control character U+{ord(control[0]):04X}"
        )
    return text


def number_of(value: object) -> float:
    """Return a number, or text that is one, as a float; NaN for anything else."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raises TextFileError, also for a duplicate key."""
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except RecursionError:
        raise TextFileError("is nested too deeply") from None
    except (json.JSONDecodeError, _DuplicateKeyError) as error:
        raise TextFileError(f"is not valid JSON: {error}") from None
    except ValueError:  # Python converts no whole number of more than 4,300 digits
        raise TextFileError("holds a number of more than 4,300 digits") from None


class _DuplicateKeyError(ValueError):
    """A key that an object of JSON has twice."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, for `json.loads(..., object_pairs_hook=unique_keys)`.

    Raises ValueError for a duplicate key, of which json would keep the last value only.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(f"{key[:100]!r} appears twice")
            seen.add(key)
    return values


def _content(path: Path, max_bytes: int) -> bytes:
    file_state(path)
    opener: Any = gzip.open if path.name.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            content: bytes = file.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TextFileError(f"cannot be read: {_reason(error)}") from None
    if len(content) > max_bytes:
        most = format_size(max_bytes, binary=True)
        raise TextFileError(f"is longer than {most}, the most that is read")
    return content


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error) or type(error).__name__

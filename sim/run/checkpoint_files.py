"""The files of a method's checkpoints: written whole or not at all, and checked when they are read.

Method number N of a run has these files in the folder `checkpoint`:

N.rounds                      a line for each committed round: a checksum, and JSON
N-R-CHECKSUM.safetensors      the close of the R-th round, see `sim.learning.values`: which values it has
N.CHECKSUM.safetensors        a value that one or several of them have

The last close is kept, and an earlier one that was flushed to the disk, since not every file is flushed:
a power failure may damage the last one. A process that is killed loses nothing.
"""

import json
import os
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from cutlayer.sim.files.atomic import errors_named, is_part, sync_file, whole_file, write_bytes

SYNC_EVERY_S: Final = 10.0
_CLOSE: Final = re.compile(r"([0-9]+)-([0-9]+)-([0-9a-f]{32})\.safetensors")
_VALUE: Final = re.compile(r"([0-9]+)\.([0-9a-f]{32})\.safetensors")

Line = Mapping[str, Any]
Pieces = Sequence[bytes | memoryview]
Values = Callable[[bytes], Collection[str]]  # the checksums of the values that a close has


class _Saved(NamedTuple):
    """The close of a round: its file, the checksums of its values, and whether all are on the disk."""

    file: Path
    values: frozenset[str]
    on_disk: bool


@dataclass
class Found:
    """What `read` found: the rounds up to the newest close that is whole, and this close.

    `damaged` are the files that made it go back to it.
    """

    lines: Sequence[Line] = ()
    close: bytes | None = None
    damaged: list[Path] = field(default_factory=list)


class CheckpointFiles:
    """The files of one method, by its number in the run. Raises OutputError."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._rounds = folder / f"{number}.rounds"
        self._saved: list[_Saved] = []  # the oldest first
        self._values: dict[str, bool] = {}  # by checksum: whether it is on the disk
        self._synced_at = -SYNC_EVERY_S
        self._sync = False

    def read(self, values_of: Values) -> Found:
        """Read what an earlier command left, and remove what is of no use. Create the folder."""
        found = Found()
        with errors_named(self._folder):
            self._folder.mkdir(exist_ok=True)
            self._synced_at = time.monotonic() - SYNC_EVERY_S
            content = self._rounds.read_bytes() if self._rounds.exists() else b""
            lines = _lines(content)
            for rounds, file in sorted(self._closes().items(), reverse=True):
                data = file.read_bytes()
                damaged = self._damaged(file, data, values_of)
                if damaged is None and rounds > len(lines):
                    damaged = self._rounds
                if damaged is not None:
                    file.unlink()
                    if found.close is None:
                        found.damaged.append(damaged)
                    continue
                self._saved.insert(0, _Saved(file, frozenset(values_of(data)), on_disk=False))
                if found.close is None:
                    found.lines, found.close = lines[:rounds], data
            self._values = dict.fromkeys(self._in_use(), False)
            for file in self._folder.iterdir():
                named = _VALUE.fullmatch(file.name)
                if named and int(named[1]) == self._number and named[2] not in self._values:
                    file.unlink()
            kept = b"".join(map(_line_of, found.lines))
            if kept != content:
                write_bytes(self._rounds, kept)
        return found

    def value(self, checksum: str) -> bytes:
        """Return a value of the close that `read` found."""
        with errors_named(self._folder):
            return self._value(checksum).read_bytes()

    def append(self, line: Line) -> None:
        """Add a line for a committed round."""
        self._sync = time.monotonic() - self._synced_at >= SYNC_EVERY_S
        data = memoryview(_line_of(line))
        with errors_named(self._rounds), self._rounds.open("ab", buffering=0) as file:
            while data:
                data = data[file.write(data) :]
            if self._sync:
                os.fsync(file.fileno())

    def add(self, pieces: Pieces) -> str:
        """Write a value unless it is there; return its checksum."""
        checksum = _checksum(*pieces)
        if checksum not in self._values:
            _write(self._value(checksum), pieces, sync=self._sync)
            self._values[checksum] = self._sync
        return checksum

    def save(self, rounds: int, pieces: Pieces, values: Collection[str]) -> None:
        """Write the close of a round, whose line and `values` have been added."""
        target = self._folder / f"{self._number}-{rounds}-{_checksum(*pieces)}.safetensors"
        if self._sync:
            for checksum in values:
                if not self._values[checksum]:
                    sync_file(self._value(checksum))
                    self._values[checksum] = True
        _write(target, pieces, sync=self._sync)
        if self._sync:
            self._synced_at = time.monotonic()
        safe = [saved for saved in self._saved if saved.on_disk] or self._saved
        old = [saved.file for saved in self._saved if saved not in safe[-1:]]
        self._saved = [*safe[-1:], _Saved(target, frozenset(values), self._sync)]
        unused = self._values.keys() - self._in_use()
        for checksum in unused:
            del self._values[checksum]
        for file in (*old, *map(self._value, unused)):
            with suppress(OSError):  # it is not needed any more
                file.unlink()

    def _value(self, checksum: str) -> Path:
        return self._folder / f"{self._number}.{checksum}.safetensors"

    def _in_use(self) -> set[str]:
        return {checksum for saved in self._saved for checksum in saved.values}

    def _damaged(self, file: Path, data: bytes, values_of: Values) -> Path | None:
        """Return the damaged file of a close: its own, or that of a value; None if all are whole."""
        if _checksum(data) not in file.name:
            return file
        for checksum in values_of(data):
            value = self._value(checksum)
            if not value.exists() or _checksum(value.read_bytes()) != checksum:
                return value
        return None

    def _closes(self) -> dict[int, Path]:
        """Return the files of closes by their numbers of rounds, and remove unfinished files."""
        found = {}
        for file in list(self._folder.iterdir()):
            if is_part(file.name):
                file.unlink(missing_ok=True)
            elif (named := _CLOSE.fullmatch(file.name)) and int(named[1]) == self._number:
                found[int(named[2])] = file
        return found


def _write(target: Path, pieces: Pieces, *, sync: bool) -> None:
    with whole_file(target, sync=sync) as part, part.open("wb") as file:
        file.writelines(pieces)


def _lines(content: bytes) -> list[Line]:
    """Return the lines up to the first one that is damaged."""
    found = []
    for line in content.splitlines():
        checksum, _, text = line.partition(b" ")
        if checksum != _checksum(text).encode():
            break
        found.append(json.loads(text))
    return found


def _line_of(line: Line) -> bytes:
    text = json.dumps(line, separators=(",", ":")).encode()
    return _checksum(text).encode() + b" " + text + b"\n"


def _checksum(*pieces: bytes | memoryview) -> str:
    checksum = blake2b(digest_size=16)
    for piece in pieces:
        checksum.update(piece)
    return checksum.hexdigest()

"""The files of a method's checkpoints: written whole or not at all, and checked when they are read.

Method number N of a run has two kinds of files in the folder `checkpoint`:

N.rounds                      a line for each committed round: a checksum, and JSON
N-R-CHECKSUM.safetensors      the states at the close of the R-th round, see `sim.learning.values`

The last states are kept, and earlier ones that were flushed to the disk: the last may be damaged after a
power failure, since not every file is flushed. A process that is killed loses nothing.
"""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from cutlayer.sim.files.atomic import errors_named, is_part, whole_file, write_bytes

SYNC_EVERY_S: Final = 1.0
_STATES: Final = re.compile(r"([0-9]+)-([0-9]+)-([0-9a-f]{32})\.safetensors")

Line = Mapping[str, Any]


class _Saved(NamedTuple):
    """A file of states, and whether it was flushed to the disk."""

    file: Path
    on_disk: bool


@dataclass
class Found:
    """What `read` found: the rounds up to the newest states that are whole, and these states.

    `damaged` are the files that made it go back to them.
    """

    lines: Sequence[Line] = ()
    states: bytes | None = None
    damaged: list[Path] = field(default_factory=list)


class CheckpointFiles:
    """The files of one method, by its number in the run. Raises OutputError."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._rounds = folder / f"{number}.rounds"
        self._saved: list[_Saved] = []  # the oldest first
        self._synced_at = -SYNC_EVERY_S
        self._sync = False

    def read(self) -> Found:
        """Read what an earlier command left, and remove what is of no use. Create the folder."""
        found = Found()
        with errors_named(self._folder):
            self._folder.mkdir(exist_ok=True)
            self._synced_at = time.monotonic() - SYNC_EVERY_S
            content = self._rounds.read_bytes() if self._rounds.exists() else b""
            lines = _lines(content)
            states = self._states_by_round()
            for rounds, file in sorted(states.items(), reverse=True):
                if found.states is None:
                    data = file.read_bytes()
                    if _checksum(data) in file.name and rounds <= len(lines):
                        found.lines, found.states = lines[:rounds], data
                    else:
                        found.damaged.append(self._rounds if rounds > len(lines) else file)
                        file.unlink()
                        continue
                self._saved.insert(0, _Saved(file, on_disk=True))
            kept = b"".join(map(_line_of, found.lines))
            if kept != content:
                write_bytes(self._rounds, kept)
        return found

    def append(self, line: Line) -> None:
        """Add a line for a committed round."""
        self._sync = time.monotonic() - self._synced_at >= SYNC_EVERY_S
        data = memoryview(_line_of(line))
        with errors_named(self._rounds), self._rounds.open("ab", buffering=0) as file:
            while data:
                data = data[file.write(data) :]
            if self._sync:
                os.fsync(file.fileno())

    def save(self, rounds: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Write the states after a number of rounds, whose lines have been added."""
        name = f"{self._number}-{rounds}-{_checksum(*pieces)}.safetensors"
        target = self._folder / name
        with whole_file(target, sync=self._sync) as part, part.open("wb") as file:
            file.writelines(pieces)
        if self._sync:
            self._synced_at = time.monotonic()
        safe = [saved for saved in self._saved if saved.on_disk] or self._saved
        for saved in self._saved:
            if saved not in safe[-1:]:
                with suppress(OSError):  # it is not needed any more
                    saved.file.unlink()
        self._saved = [*safe[-1:], _Saved(target, self._sync)]

    def _states_by_round(self) -> dict[int, Path]:
        """Return the files of states by their numbers of rounds, and remove unfinished files."""
        found = {}
        for file in list(self._folder.iterdir()):
            if is_part(file.name):
                file.unlink(missing_ok=True)
            elif (named := _STATES.fullmatch(file.name)) and int(named[1]) == self._number:
                found[int(named[2])] = file
        return found


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

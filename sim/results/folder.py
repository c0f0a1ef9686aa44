"""Claim a folder of results for one command at a time.

Every folder of results has a marker, `cutlayer.json`, with the kind of the results and the version of
their format. A command creates it together with the folder, in one step that only one of several
commands can win, and locks it while it works. The kernel releases the lock when the process ends,
however it ends. Only folders with a marker are ever continued or written to again.

The lock is `flock` if there is `fcntl`, and a locked byte beyond the marker's end on Windows. On a file
system without locks a warning says that a second command is not kept out of a folder that is continued;
new folders are still created by one command only.

This file is long because claiming, marking, locking and removing must agree step by step.
"""

import errno
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Self

from cutlayer.sim.files.atomic import NO_HARD_LINKS, OutputError, is_part, part_path, unwritable
from cutlayer.sim.files.lock import NO_LOCKS, lock
from cutlayer.sim.files.plain_text import visible

MARKER: Final = "cutlayer.json"
RESUME: Final = "resume.json"  # in a folder whose command has not finished
FORMAT: Final = 1
KINDS: Final = ("run", "seeds", "study", "export", "figures", "reproduce")
_MAX_MARKER_BYTES: Final = 4096
_MAX_ATTEMPTS: Final = 10


class FolderTakenError(OutputError):
    """A folder that is not empty, or that another command is using."""


@dataclass(frozen=True)
class Marker:
    """The kind of results in a folder (one of `KINDS`) and the version of their format."""

    kind: str
    format: int


def read_marker(folder: Path) -> Marker | None:
    """Return a folder's marker; None if there is none or it is not Cutlayer's."""
    try:
        if not (folder / MARKER).is_file():  # reading a pipe would block
            return None
        with (folder / MARKER).open("rb") as file:
            content = json.loads(file.read(_MAX_MARKER_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    match content:
        case {"cutlayer_results": kind, "format": version} if kind in KINDS:
            return Marker(kind, version) if type(version) is int else None
    return None


@dataclass
class ResultFolder:
    """A folder that this process has claimed; use it as a context manager, or call `release`.

    `continued` is true if it already had results of the same kind. If the context ends with an error and
    nothing was written to a new folder, the folder is removed again.
    """

    path: Path
    continued: bool
    _entry: int | None  # the descriptor of the locked marker
    _created: tuple[Path, ...] = ()  # folders that the claim created, the outermost first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            self.abandon()
        self.release()

    def check(self) -> None:
        """Check that the folder is still the one that was claimed. Raises OutputError."""
        assert self._entry is not None
        try:
            same = os.path.samestat(os.fstat(self._entry), (self.path / MARKER).stat())
        except OSError:
            same = False
        if not same:
            raise OutputError(f"{self.path} was removed while the command wrote to it")

    def release(self) -> None:
        """Release the lock; the results stay."""
        if self._entry is not None:
            os.close(self._entry)
            self._entry = None

    def abandon(self) -> None:
        """Remove a new folder that contains nothing but the marker, and release it."""
        if self._entry is not None and not self.continued:
            with suppress(OSError):  # the folder is gone
                if [entry.name for entry in self.path.iterdir()] == [MARKER]:
                    (self.path / MARKER).unlink()
            _remove_empty(self._created)
        self.release()


def claim_folder(
    path: Path, kind: str, *, option: str = "--out", resume: bool = False
) -> ResultFolder:
    """Claim the folder `path`, new or empty; with `resume` also one with results of this kind.

    Raises FolderTakenError if it contains anything else or another command is using it, and OutputError
    if it cannot be created.
    """
    try:
        try:
            return _claim_new(path, kind)
        except FileExistsError:
            if resume and read_marker(path) is not None:
                return _continue(path, kind, option)
            if not path.is_dir() or any(path.iterdir()):
                raise _taken(path, option) from None
        try:  # an empty folder that existed stays, even if the command fails
            return ResultFolder(path, False, _mark(path, kind))
        except FileExistsError:
            raise _taken(path, option) from None
    except OSError as error:
        raise unwritable(path, error) from None


def claim_next(parent: Path, name: str, kind: str) -> ResultFolder:
    """Claim PARENT/NAME, or the first of PARENT/NAME-2, PARENT/NAME-3, ... that does not exist.

    Raises OutputError if none can be created.
    """
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            return _claim_new(path, kind)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error) from None
    raise AssertionError("the names are endless")


def in_use(path: Path) -> bool:
    """Whether a command is using a folder of results."""
    with suppress(OSError):
        if (path / MARKER).is_file():
            entry = os.open(path / MARKER, os.O_RDWR | _CLOEXEC)
            try:
                return not _lock(entry, path)
            finally:
                os.close(entry)
    return False


def _claim_new(path: Path, kind: str) -> ResultFolder:
    """Create a folder and mark it. Raises FileExistsError if it exists."""
    created = _create(path)
    try:
        return ResultFolder(path, False, _mark(path, kind), created)
    except BaseException:
        _remove_empty(created)  # a marker in it is another command's
        raise


def _continue(path: Path, kind: str, option: str) -> ResultFolder:
    entry = os.open(path / MARKER, os.O_RDWR | _CLOEXEC)
    try:
        if not _lock(entry, path, warn=True):
            raise _taken(path, option)
        marker = read_marker(path)
        if marker is None or not os.path.samestat(os.fstat(entry), (path / MARKER).stat()):
            raise _refused(path, option, "was removed just now; try again")
        if marker.kind != kind:
            why = f"holds results of another kind ({marker.kind}); name a new folder"
            raise _refused(path, option, why)
        if marker.format > FORMAT:
            why = "was written by a newer version of Cutlayer; name a new folder"
            raise _refused(path, option, why)
    except BaseException:
        os.close(entry)
        raise
    return ResultFolder(path, True, entry)


def _taken(path: Path, option: str) -> FolderTakenError:
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    being_marked = bool(names) and all(is_part(name) for name in names)
    if being_marked or in_use(path):
        return _refused(path, option, "is in use by another command; name a new folder")
    return _refused(path, option, "exists and is not empty; name a new folder")


def _refused(path: Path, option: str, why: str) -> FolderTakenError:
    return FolderTakenError(f"{option} {path} {why}".lstrip())


def _mark(path: Path, kind: str) -> int:
    """Create the marker of a folder, locked and complete from the start; return its file descriptor.

    Raises FileExistsError if the folder has a marker. On a file system without hard links the marker is
    locked just after it was created.
    """
    assert kind in KINDS
    content = json.dumps({"cutlayer_results": kind, "format": FORMAT}) + "\n"
    part, marker = part_path(path), path / MARKER
    entry = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | _CLOEXEC, 0o666)
    try:
        try:
            _write_marker(entry, content, path)
            try:
                os.link(part, marker, follow_symlinks=False)
            except OSError as error:
                if error.errno not in NO_HARD_LINKS:
                    raise
                os.close(entry)
                entry = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_RDWR | _CLOEXEC, 0o666)
                _write_marker(entry, content, path)
        finally:
            part.unlink(missing_ok=True)
    except BaseException:
        os.close(entry)
        raise
    return entry


def _write_marker(entry: int, content: str, path: Path) -> None:
    if not _lock(entry, path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    os.write(entry, content.encode())
    os.fsync(entry)


def _create(path: Path) -> tuple[Path, ...]:
    """Create a folder and its parents; return the folders that did not exist, the outermost first.

    Raises FileExistsError if `path` exists.
    """
    for attempt in range(_MAX_ATTEMPTS):
        created: list[Path] = []
        above = [folder for folder in path.parents if not folder.exists()]
        try:
            for folder in reversed(above):
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue  # created by another command at the same time
                created.append(folder)
            path.mkdir()
        except FileNotFoundError:  # another command removed its unused parents
            if attempt == _MAX_ATTEMPTS - 1:
                raise
            continue
        return (*created, path)
    raise AssertionError("every attempt returns or raises")


def _remove_empty(created: tuple[Path, ...]) -> None:
    """Remove the folders that a claim created, innermost first, up to one that is not empty."""
    with suppress(OSError):
        for folder in reversed(created):
            folder.rmdir()


_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)


def _lock(entry: int, path: Path, *, warn: bool = False) -> bool:
    """Lock an open marker for this process; return False if another process has it."""
    try:
        return lock(entry)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        if warn:
            where = visible(str(path))
            sys.stderr.write(
                f"warning: {where} cannot be locked ({error.strerror}): let no other command use it\n"
            )
    return True

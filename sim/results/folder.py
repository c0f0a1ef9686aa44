"""A folder of results belongs to one command at a time, and says that Cutlayer made it.

Every folder of results holds `cutlayer.json`, its marker, which says what kind of results these are and
in which format. The marker is made with the folder, in one step that only one of several commands can
win, and the command holds a lock on it for as long as it works. The kernel releases the lock when the
process ends, however it ends. Only folders with a marker are ever continued or written to again.

The lock is `flock` where there is `fcntl`, and a locked byte beyond the marker's end on Windows. Where
a file system has no locks, a warning says that nothing keeps a second command out of a folder that is
continued; new folders are still made by one command only.
"""

import errno
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

from cutlayer.sim.files.atomic import OutputError, is_part, part_path, unwritable
from cutlayer.sim.files.plain_text import visible

MARKER: Final = "cutlayer.json"
FORMAT: Final = 1
KINDS: Final = ("run", "seeds", "study", "export", "figures", "reproduce")
_MOST_MARKER_BYTES: Final = 4096
_MOST_ATTEMPTS: Final = 10
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
_NO_HARD_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


class FolderTakenError(OutputError):
    """A folder that holds something already, or that another command works in."""


@dataclass(frozen=True)
class Marker:
    """What a folder of results says of itself: one of `KINDS`, and the version of its format."""

    kind: str
    format: int


def read_marker(folder: Path) -> Marker | None:
    """Return a folder's marker; None where there is none of Cutlayer's."""
    try:
        if not (folder / MARKER).is_file():  # a pipe would be waited for
            return None
        with (folder / MARKER).open("rb") as file:
            content = json.loads(file.read(_MOST_MARKER_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    kind, version = content.get("cutlayer_results"), content.get("format")
    if kind not in KINDS or type(version) is not int:
        return None
    return Marker(kind, version)


class ResultFolder:
    """A folder that this process has claimed; use it as a context, or call `release`.

    `continued` says that it held results of the same kind. If the context ends with an error and nothing
    was written to a new folder, the folder is removed again.
    """

    def __init__(
        self, path: Path, kind: str, entry: int, made: tuple[Path, ...], new: bool
    ) -> None:
        self.path = path
        self.kind = kind
        assert kind in KINDS
        self.continued = not new
        self._entry: int | None = entry
        self._made = made  # folders that the claim made, the outermost first

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
        """Let other commands have the folder. Its results stay."""
        if self._entry is not None:
            os.close(self._entry)
            self._entry = None

    def abandon(self) -> None:
        """Remove a new folder in which nothing but the marker was written, and release it."""
        if self._entry is not None and not self.continued:
            _remove_unused(self.path)
            _remove_empty(self._made)
        self.release()


def claim_folder(
    path: Path, kind: str, *, option: str = "--out", resume: bool = False
) -> ResultFolder:
    """Claim the folder `path`, new or empty; with `resume` also one that holds results of this kind.

    Raises FolderTakenError where it holds anything else or another command works in it, and OutputError
    where it cannot be made.
    """
    try:
        try:
            return _claim_new(path, kind)
        except FileExistsError:
            if resume and read_marker(path) is not None:
                return _continue(path, kind, option)
            if not path.is_dir() or any(path.iterdir()):
                raise _taken(path, option) from None
        try:  # there was an empty folder, which stays if nothing comes of this
            return ResultFolder(path, kind, _mark(path, kind), (), new=True)
        except FileExistsError:
            raise _taken(path, option) from None
    except OSError as error:
        raise unwritable(path, error) from None


def claim_next(parent: Path, name: str, kind: str) -> ResultFolder:
    """Claim PARENT/NAME, or the first of PARENT/NAME-2, PARENT/NAME-3, ... that does not exist.

    Raises OutputError where none can be made.
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
    """Whether a command works in a folder of results."""
    try:
        if not (path / MARKER).is_file():
            return False
        entry = os.open(path / MARKER, os.O_RDWR | _CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(entry, path)
    except OSError:
        return False
    finally:
        os.close(entry)


def _claim_new(path: Path, kind: str) -> ResultFolder:
    """Make a folder and mark it. Raises FileExistsError if another command has it, or anything does."""
    made = _make(path)
    try:
        return ResultFolder(path, kind, _mark(path, kind), made, new=True)
    except BaseException:
        _remove_empty(made)  # a marker in it is another command's
        raise


def _continue(path: Path, kind: str, option: str) -> ResultFolder:
    entry = os.open(path / MARKER, os.O_RDWR | _CLOEXEC)
    try:
        if not _lock(entry, path, warn=True):
            raise _taken(path, option)
        found = read_marker(path)
        if found is None or not os.path.samestat(os.fstat(entry), (path / MARKER).stat()):
            raise FolderTakenError(f"{_named(path, option)} was removed just now; try again")
        if found.kind != kind:
            raise FolderTakenError(
                f"{_named(path, option)} holds results of another kind ({found.kind}); name a new folder"
            )
        if found.format > FORMAT:
            raise FolderTakenError(
                f"{_named(path, option)} was written by a newer version of Cutlayer; name a new folder"
            )
    except BaseException:
        os.close(entry)
        raise
    return ResultFolder(path, kind, entry, (), new=False)


def _taken(path: Path, option: str) -> FolderTakenError:
    """Return why a folder cannot be had."""
    if _is_being_marked(path) or in_use(path):
        return FolderTakenError(
            f"{_named(path, option)} is in use by another command; name a new folder"
        )
    return FolderTakenError(f"{_named(path, option)} exists and is not empty; name a new folder")


def _is_being_marked(path: Path) -> bool:
    """Whether a folder holds only a marker that is not whole yet: another command claims it just now."""
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    return bool(names) and all(is_part(name) for name in names)


def _named(path: Path, option: str) -> str:
    return f"{option} {path}" if option else str(path)


def _mark(path: Path, kind: str) -> int:
    """Make the marker of a folder, locked and whole at once; return its entry.

    Raises FileExistsError where the folder has a marker. On a file system without hard links the marker
    is locked just after it was made.
    """
    content = json.dumps({"cutlayer_results": kind, "format": FORMAT}) + "\n"
    part, marker = part_path(path), path / MARKER
    entry = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | _CLOEXEC, 0o666)
    try:
        try:
            _write_marker(entry, content, path)
            try:
                os.link(part, marker, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
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


def _make(path: Path) -> tuple[Path, ...]:
    """Make a folder and those above it; return those that were not there, the outermost first.

    Raises FileExistsError if `path` exists.
    """
    for attempt in range(_MOST_ATTEMPTS):
        made: list[Path] = []
        above = [folder for folder in path.parents if not folder.exists()]
        try:
            for folder in reversed(above):
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue  # by another command, at the same time
                made.append(folder)
            path.mkdir()
        except FileNotFoundError:  # another command has removed its unused folders above
            if attempt == _MOST_ATTEMPTS - 1:
                raise
            continue
        return (*made, path)
    raise AssertionError("every attempt returns or raises")


def _remove_unused(path: Path) -> None:
    """Remove this process's marker if the folder holds nothing else."""
    with suppress(OSError):  # the folder is gone
        if [entry.name for entry in path.iterdir()] == [MARKER]:
            (path / MARKER).unlink()


def _remove_empty(made: tuple[Path, ...]) -> None:
    """Remove the folders that a claim made, the innermost first, up to one that holds anything."""
    with suppress(OSError):
        for folder in reversed(made):
            folder.rmdir()


_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
_FAR_BYTE: Final = 1 << 30  # beyond the marker's end: Windows forbids reading what is locked


def _lock(entry: int, path: Path, *, warn: bool = False) -> bool:
    """Lock an open marker for this process; return whether that was possible."""
    try:
        _LOCK(entry)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK):
            return False
        if error.errno not in _NO_LOCKS:
            raise
        if warn:
            where = visible(str(path))
            sys.stderr.write(
                f"warning: {where} cannot be locked ({error.strerror}): let no other command use it\n"
            )
    return True


def _locking() -> Callable[[int], None]:
    """Return how this system locks an open file without waiting."""
    try:
        import fcntl
    except ImportError:
        import importlib

        windows: Any = importlib.import_module("msvcrt")

        def lock_byte(entry: int) -> None:
            os.lseek(entry, _FAR_BYTE, os.SEEK_SET)
            windows.locking(entry, windows.LK_NBLCK, 1)
            os.lseek(entry, 0, os.SEEK_SET)

        return lock_byte
    return lambda entry: fcntl.flock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB)


_LOCK: Final = _locking()

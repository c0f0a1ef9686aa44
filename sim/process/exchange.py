"""The exchange folders of a command: files with the values that its processes exchange.

One folder is in shared memory (/dev/shm) if the system has it, another one in the temporary folder, for
what does not fit into the first. Values are written with write(2), so that a full file system is an
error and not a SIGBUS, and read by mapping the file. The main process locks its folders; whatever a
killed command has left behind is not locked, and the next command removes it.
"""

import errno
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cutlayer.errors import UserError
from cutlayer.sim.files.lock import NO_LOCKS, lock
from cutlayer.sim.process.tasks import WITHOUT_WORKERS

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108
PREFIX: Final = "cutlayer-exchange-"
LOCK: Final = "lock"
_CLEARINGS: Final = 5  # a file may appear while its folder is being removed
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

Content = bytes | bytearray | memoryview


class ExchangeError(UserError):
    """No room for the values that processes exchange."""


@dataclass(frozen=True)
class ExchangeFile:
    """A value in a file of an exchange folder, and its size in bytes."""

    path: str
    size: int

    def read(self) -> memoryview:
        """Map the file, read-only. The view stays valid when the file is removed."""
        if not self.size:
            return memoryview(b"")
        with Path(self.path).open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_READ))

    def remove(self) -> None:
        """Remove the file."""
        with suppress(PermissionError):  # Windows keeps a mapped file until its folder is cleared
            Path(self.path).unlink()


def write(folders: Sequence[str], name: str, content: Content) -> ExchangeFile:
    """Write a value to the first folder that has room for it. Raises ExchangeError."""
    full = None
    for folder in folders:
        path = Path(folder) / name
        try:
            _write(path, content)
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno not in _FULL:
                raise
            full = error
        else:
            return ExchangeFile(str(path), len(memoryview(content).cast("B")))
    raise ExchangeError(
        f"no room for the values that worker processes exchange, in {' or '.join(folders)}"
        f" ({os.strerror((full and full.errno) or errno.ENOSPC)}): free some, let TMPDIR name a folder"
        f" with room, or do {WITHOUT_WORKERS}"
    ) from full


def clear(folders: Sequence[str]) -> None:
    """Remove exchange folders, also while other processes do so or still write to them."""
    for folder in folders:
        for _ in range(_CLEARINGS):
            if Path(folder).exists():
                shutil.rmtree(folder, ignore_errors=True)


class Exchange:
    """The locked exchange folders of this process, a context that removes them."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self._locks: list[int] = []

    def __enter__(self) -> Self:
        """Create the folders. Raises ExchangeError if none can be created."""
        homes = [SHARED_MEMORY] if SHARED_MEMORY.is_dir() else []
        homes = list(dict.fromkeys([*homes, Path(tempfile.gettempdir())]))
        failed = []
        for home in homes:
            _remove_stale(home)
            try:
                folder, file = _claimed(home)
            except OSError as error:
                failed.append(f"{home}: {error.strerror}")
            else:
                self.folders += (folder,)
                self._locks.append(file)
        if not self.folders:
            raise ExchangeError(
                f"no folder for worker processes can be made ({'; '.join(failed)});"
                f" do it {WITHOUT_WORKERS}"
            )
        return self

    def __exit__(self, *_: object) -> None:
        clear(self.folders)
        for file in self._locks:
            os.close(file)
        self.folders, self._locks = (), []

    def files(self, prefix: str) -> Iterator[ExchangeFile]:
        """Yield the values whose names begin with `prefix`."""
        for folder in self.folders:
            for file in Path(folder).glob(f"{prefix}*"):
                yield ExchangeFile(str(file), file.stat().st_size)


def _write(path: Path, content: Content) -> None:
    left = memoryview(content).cast("B")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)


def _claimed(home: Path) -> tuple[str, int]:
    """Create a folder and lock it; try again if another command removed it before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        try:
            file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue
        except OSError:
            clear([str(folder)])
            raise
        try:
            locked = lock(file)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            locked = True  # without locks, no command removes another one's folder
        if locked and (folder / LOCK).exists():
            return str(folder), file
        os.close(file)


def _remove_stale(home: Path) -> None:
    """Remove this user's folders that no process has locked."""
    for folder in home.glob(f"{PREFIX}*"):
        try:
            file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:  # another user's, or just removed
            continue
        with suppress(OSError):  # without locks, stale folders cannot be recognised
            if lock(file):
                clear([str(folder)])
        os.close(file)

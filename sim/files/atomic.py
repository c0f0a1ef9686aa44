"""Files that appear whole or not at all, and outputs that replace nothing of a user's.

A file is written beside its target under a name of its own, `.PID-RANDOM.part`, and renamed when it is
whole, so that a reader sees the old file or the new one, and two writers do not meet. Before the rename
its content is on the disk, and after it the folder's entry too, so that whatever is written later cannot
survive a power failure that this file does not (`sync=False` leaves that out). What cannot be written
is one line, an OutputError, and the unfinished file is removed.
"""

import errno
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from cutlayer.errors import UserError

PART: Final = ".part"  # ends the name of every unfinished file
STALE_AFTER_S: Final = 3600
_PART_NAME: Final = re.compile(rf"\.([1-9][0-9]{{0,9}})-[0-9a-f]{{16}}{re.escape(PART)}")
_NO_FOLDER_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)
_NO_HARD_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


class OutputError(UserError):
    """Results that cannot be written where they were asked for."""


def unwritable(target: Path, error: OSError) -> OutputError:
    """Return the one line for a file or folder that cannot be written."""
    return OutputError(f"{target} cannot be written: {error.strerror or error}")


@contextmanager
def errors_named(target: Path) -> Iterator[None]:
    """Raise every OSError of the block as an OutputError that names `target`."""
    try:
        yield
    except OSError as error:
        raise unwritable(target, error) from None


def part_path(folder: Path) -> Path:
    """Return a path for an unfinished file in `folder` that nothing else uses."""
    return folder / f".{os.getpid()}-{secrets.token_hex(8)}{PART}"


def is_part(name: str) -> bool:
    """Whether a file's name is one that `part_path` gives."""
    return _PART_NAME.fullmatch(name) is not None


def remove_stale_parts(folder: Path) -> None:
    """Remove unfinished files that a command left in `folder` when it was killed.

    Only files named as `part_path` names them, an hour old, whose process is not running here any more.
    A command on another machine that shares the folder finishes its files sooner.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in list(os.scandir(folder)):
            named = _PART_NAME.fullmatch(entry.name)
            if named is None or not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):  # another command has removed it, or it is not ours to remove
                age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if age_s > STALE_AFTER_S and not _is_running(int(named[1])):
                    Path(entry.path).unlink()


def _is_running(process: int) -> bool:
    """Whether a process with this number may be running on this machine."""
    if os.name == "nt":  # signal 0 is not a question there
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def whole_file(target: Path, *, replace: bool = True, sync: bool = True) -> Iterator[Path]:
    """Yield the path to write to; it becomes `target` when the block ends without an error.

    With `replace=False` a target that exists by then is left alone. Raises OutputError for it, and for
    every OSError of the block.
    """
    part = part_path(target.parent)
    with errors_named(target):
        try:
            with part.open("xb"):
                pass  # reserves the name
            yield part
            if sync:
                _sync(part)
            if replace:
                part.replace(target)
            else:
                _publish(part, target)
            if sync:
                sync_folder(target.parent)
        finally:
            with suppress(OSError):  # the first error is the one to tell
                part.unlink(missing_ok=True)


@contextmanager
def whole_text(target: Path, *, replace: bool = True, sync: bool = True) -> Iterator[TextIO]:
    """Yield a UTF-8 text file, without translation of line ends, that becomes `target` at the end."""
    with (
        whole_file(target, replace=replace, sync=sync) as part,
        part.open("w", encoding="utf-8", newline="") as text,
    ):
        yield text


def write_bytes(target: Path, content: bytes, *, replace: bool = True, sync: bool = True) -> None:
    """Write a file whole or not at all. Raises OutputError."""
    with whole_file(target, replace=replace, sync=sync) as part:
        part.write_bytes(content)


def write_text(target: Path, text: str, *, replace: bool = True, sync: bool = True) -> None:
    """Write a UTF-8 file whole or not at all. Raises OutputError."""
    write_bytes(target, text.encode(), replace=replace, sync=sync)


def json_text(content: Mapping[str, Any]) -> str:
    """Return a mapping as the JSON text that result files have."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_json(
    target: Path, content: Mapping[str, Any], *, replace: bool = True, sync: bool = True
) -> None:
    """Write a JSON file whole or not at all. Raises OutputError."""
    write_text(target, json_text(content), replace=replace, sync=sync)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, where the system can."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(entry)


def check_output_file(
    target: Path, option: str, *, force: bool = False, makes_folder: bool = False
) -> None:
    """Check that a file a user named may be written; for before the work begins.

    What exists is refused: a file, a link even if it leads nowhere, a folder, a device, a pipe. With
    `force` a regular file or a link is allowed, and the link itself is replaced, not what it leads to.
    The folder must exist unless the command `makes_folder`. Raises OutputError.
    """
    if not makes_folder and not target.parent.is_dir():
        raise OutputError(f"{option} {target}: the folder {target.parent} does not exist")
    with errors_named(target):
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OutputError(f"{option} {target} is {_sort(mode)}, not a file; name a new file")
    if not force:
        raise OutputError(
            f"{option} {target} exists; name a new file, or add --force to replace it"
        )


def _sort(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _sync(file: Path) -> None:
    entry = os.open(file, os.O_RDWR)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _publish(part: Path, target: Path) -> None:
    """Give a whole file its name unless that is taken; a hard link does both at once.

    On a file system without hard links the check comes just before the rename.
    """
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError:
        raise OutputError(f"{target} exists by now; name a new file") from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            raise OutputError(f"{target} exists by now; name a new file") from None
        part.replace(target)

"""Atomic writes: a file appears complete or not at all, and an existing one is not replaced by accident.

A file is written beside its target under a unique name, `.PID-RANDOM.part`, and renamed when it is
complete: readers see the old file or the new one, and concurrent writers do not interfere. Its content
is flushed to disk before the rename and the folder's entry after it, so that no file written later can
survive a power failure that this one does not (`sync=False` skips both). A failure removes the
unfinished file and raises an OutputError with a message of one line.
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

PART: Final = ".part"  # suffix of unfinished files
STALE_AFTER_S: Final = 3600
_PART_NAME: Final = re.compile(rf"\.([1-9][0-9]{{0,9}})-[0-9a-f]{{16}}{re.escape(PART)}")
_NO_FOLDER_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)
NO_HARD_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
_SORTS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


class OutputError(UserError):
    """Results that cannot be written to the requested place."""


def unwritable(target: Path, error: OSError) -> OutputError:
    """Return the error for a file or folder that cannot be written."""
    return OutputError(f"{target} cannot be written: {error.strerror or error}")


@contextmanager
def errors_named(target: Path) -> Iterator[None]:
    """Convert every OSError of the block to an OutputError that names `target`."""
    try:
        yield
    except OSError as error:
        raise unwritable(target, error) from None


def part_path(folder: Path) -> Path:
    """Return a unique path for an unfinished file in `folder`."""
    return folder / f".{os.getpid()}-{secrets.token_hex(8)}{PART}"


def is_part(name: str) -> bool:
    """Return whether `part_path` makes such a file name."""
    return _PART_NAME.fullmatch(name) is not None


def remove_stale_parts(folder: Path) -> None:
    """Remove unfinished files that a killed command left in `folder`.

    These have a name that `part_path` makes, are over an hour old, and their process is not running on
    this machine. A command on another machine that shares the folder finishes a file in less time.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in list(os.scandir(folder)):
            named = _PART_NAME.fullmatch(entry.name)
            if named is None or not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):  # another command removed it, or we lack the permission
                age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if age_s > STALE_AFTER_S and not _is_running(int(named[1])):
                    Path(entry.path).unlink()


def _is_running(process: int) -> bool:
    if os.name == "nt":  # os.kill would end the process
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def whole_file(target: Path, *, replace: bool = True, sync: bool = True) -> Iterator[Path]:
    """Yield the path to write to; it is renamed to `target` when the block ends without an error.

    Raises OutputError for every OSError of the block and, with `replace=False`, if `target` exists by
    then.
    """
    part = part_path(target.parent)
    with errors_named(target):
        try:
            with part.open("xb"):
                pass  # reserve the name
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
            with suppress(OSError):  # report the first error
                part.unlink(missing_ok=True)


@contextmanager
def whole_text(target: Path, *, replace: bool = True) -> Iterator[TextIO]:
    """Yield a UTF-8 text file that becomes `target` as in `whole_file`; line ends are not translated."""
    with (
        whole_file(target, replace=replace) as part,
        part.open("w", encoding="utf-8", newline="") as text,
    ):
        yield text


def write_bytes(target: Path, content: bytes, *, replace: bool = True, sync: bool = True) -> None:
    """Write a file atomically. Raises OutputError."""
    with whole_file(target, replace=replace, sync=sync) as part:
        part.write_bytes(content)


def write_text(target: Path, text: str, *, replace: bool = True) -> None:
    """Write a UTF-8 file atomically. Raises OutputError."""
    write_bytes(target, text.encode(), replace=replace)


def json_text(content: Mapping[str, Any]) -> str:
    """Return a mapping as JSON in the form of result files."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically. Raises OutputError."""
    write_text(target, json_text(content))


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, if the system can."""
    if os.name == "nt":  # folders cannot be opened
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
    """Check, before the work begins, that a file named by the user may be written.

    Anything that exists is refused: a file, a link (even a broken one), a folder, a device, a pipe.
    With `force` a regular file or a link is accepted; the link is replaced, not its target. The folder
    must exist unless the command `makes_folder`. Raises OutputError.
    """
    if not makes_folder and not target.parent.is_dir():
        raise OutputError(f"{option} {target}: the folder {target.parent} does not exist")
    with errors_named(target):
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        what = _SORTS.get(stat.S_IFMT(mode), "a device")
        raise OutputError(f"{option} {target} is {what}, not a file; name a new file")
    if not force:
        raise OutputError(
            f"{option} {target} exists; name a new file, or add --force to replace it"
        )


def sync_file(file: Path) -> None:
    """Flush a file to disk. Raises OutputError."""
    with errors_named(file):
        _sync(file)


def _sync(file: Path) -> None:
    entry = os.open(file, os.O_RDWR)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _publish(part: Path, target: Path) -> None:
    """Rename a complete file unless its target exists; a hard link checks and creates in one step.

    On a file system without hard links, the check comes just before the rename.
    """
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError:
        raise OutputError(f"{target} exists by now; name a new file") from None
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            raise OutputError(f"{target} exists by now; name a new file") from None
        part.replace(target)

"""Lock an open file for this process, without waiting.

The kernel releases the lock when the process ends. The lock is `flock` if there is `fcntl`,
and a locked byte far beyond the file's end on Windows.
"""

import errno
import importlib
import os
from collections.abc import Callable
from typing import Any, Final

NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # of a file system without locks
_TAKEN: Final = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK)
_FAR_BYTE: Final = 1 << 30  # beyond the file's end: Windows forbids reading a locked byte


def lock(file: int) -> bool:
    """Lock an open file; return False if another process has it.

    Raises OSError if it cannot be locked: on a file system without locks, with a number of NO_LOCKS.
    """
    try:
        _LOCK(file)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _locking() -> Callable[[int], None]:
    """Return the function that locks an open file on this system."""
    try:
        import fcntl
    except ImportError:
        windows: Any = importlib.import_module("msvcrt")

        def lock_byte(file: int) -> None:
            os.lseek(file, _FAR_BYTE, os.SEEK_SET)
            windows.locking(file, windows.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)

        return lock_byte
    return lambda file: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_LOCK: Final = _locking()

"""Keep the working directory off `sys.path`, where a user's files would hide modules."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SAFE_PATH: Final = "PYTHONSAFEPATH"  # tells Python not to put the working directory on sys.path
HOME: Final = Path(str(sys.modules["cutlayer"].__file__)).resolve().parents[1]  # of `cutlayer`


def drop_working_directory() -> None:
    """Remove the working directory from the front of `sys.path`, where `python -c` and `-m` put it.

    It stays if Cutlayer itself is imported from it.
    """
    if sys.flags.safe_path or not sys.path:
        return
    first = Path(sys.path[0] or ".").resolve()
    if first == Path.cwd() and first != HOME:
        del sys.path[0]


@contextmanager
def safe_path_for_children() -> Iterator[None]:
    """Keep the working directory off the path of Python processes started in the block.

    `multiprocessing` starts them with `python -c` and sends them this process's path afterwards.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before

"""A cache of outlines on disk, shared by all commands.

An entry's name is a digest of its key, of the code of `models` and of torch's version, so stale entries
are never read. Each file starts with a checksum; a damaged or unreadable entry is computed again, and a
folder that cannot be written is ignored. `CUTLAYER_CACHE_DIR` overrides the user's cache folder, which
can be removed at any time.
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

import platformdirs
from pydantic import TypeAdapter

FOLDER: Final = "CUTLAYER_CACHE_DIR"

T = TypeVar("T")


def cached(kind: Any, key: Sequence[Any], compute: Callable[[], T]) -> T:
    """Return the cached entry of `key`, which has the type `kind`, or compute and store it."""
    name = _digest(json.dumps([_code_digest(), key]))
    file = cache_folder() / f"{name}.json"
    adapter: TypeAdapter[T] = _adapter(kind)
    with suppress(OSError, ValueError):  # missing, not text, or in another format
        checksum, _, text = file.read_text(encoding="ascii").partition("\n")
        if checksum == _digest(text):
            return adapter.validate_json(text, strict=True)
    value = compute()
    _write(file, adapter.dump_json(value).decode("ascii"))
    return value


def cache_folder() -> Path:
    """Return the folder of the entries, which may not exist."""
    named = os.environ.get(FOLDER)
    root = Path(named) if named else Path(platformdirs.user_cache_dir("cutlayer", appauthor=False))
    return root / "outlines"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _code_digest() -> str:
    """Return a fingerprint of the code of `models` and of torch's version."""
    fingerprint = blake2b(version("torch").encode(), digest_size=16)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        fingerprint.update(file.name.encode())
        fingerprint.update(blake2b(file.read_bytes()).digest())
    return fingerprint.hexdigest()


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _write(file: Path, text: str) -> None:
    """Write an entry completely or not at all; ignore a folder that cannot be written."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=f"{file.stem}.")
        with os.fdopen(handle, "w", encoding="ascii") as entry:
            entry.write(f"{_digest(text)}\n{text}")
        Path(unfinished).replace(file)

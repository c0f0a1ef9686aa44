"""Outlines on disk, from one command to the next.

An entry's name is a digest of what it is for, of the code of this room and of torch's version, so that
an entry never outlives what made it. A file holds its own checksum: one that is damaged or cannot be
read is computed anew, and a folder that cannot be written is done without. `CUTLAYER_CACHE_DIR` names
another folder than the user's cache folder; removing it costs nothing but time.
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

import platformdirs
from pydantic import TypeAdapter, ValidationError

from cutlayer.models.block_cost import BlockCost

FOLDER: Final = "CUTLAYER_CACHE_DIR"

T = TypeVar("T")


def cached(kind: type[T], key: Sequence[Any], compute: Callable[[], T]) -> T:
    """Return the entry of `key`, a dataclass of type `kind`; computed and kept where there is none."""
    return _kept(kind, key, compute)


def cached_blocks(
    key: Sequence[Any], compute: Callable[[], tuple[BlockCost, ...]]
) -> tuple[BlockCost, ...]:
    """Return the block costs of `key`; computed and kept where there are none."""
    return _kept(tuple[BlockCost, ...], key, compute)


def cache_folder() -> Path:
    """Return the folder of the entries, which need not be there."""
    named = os.environ.get(FOLDER)
    root = Path(named) if named else Path(platformdirs.user_cache_dir("cutlayer", appauthor=False))
    return root / "outlines"


@cache
def _code_digest() -> str:
    """Return a fingerprint of this room's code and of torch's version."""
    fingerprint = blake2b(version("torch").encode(), digest_size=16)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        fingerprint.update(file.name.encode())
        fingerprint.update(blake2b(file.read_bytes()).digest())
    return fingerprint.hexdigest()


def _kept(kind: Any, key: Sequence[Any], compute: Callable[[], T]) -> T:
    name = _digest(json.dumps([_code_digest(), key]))
    file = cache_folder() / f"{name}.json"
    adapter: TypeAdapter[T] = TypeAdapter(kind)
    found = _read(file)
    if found is not None:
        try:
            return adapter.validate_json(found, strict=True)
        except ValidationError:
            pass  # an entry of another form; it is replaced below
    made = compute()
    _write(file, adapter.dump_json(made).decode("ascii"))
    return made


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _read(file: Path) -> str | None:
    """Return an entry's text, None where it is not there or is not what was written."""
    try:
        checksum, _, text = file.read_text(encoding="ascii").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if checksum == _digest(text) else None


def _write(file: Path, text: str) -> None:
    """Write an entry whole or not at all; a folder that cannot be written keeps nothing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=f"{file.stem}.")
        with os.fdopen(handle, "w", encoding="ascii") as entry:
            entry.write(f"{_digest(text)}\n{text}")
        Path(unfinished).replace(file)
    except OSError:
        return

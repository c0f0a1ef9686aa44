"""A fingerprint of Cutlayer's code: equal ones mean the same code on two machines or at two times."""

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Final

ALL_CODE: Final = ("errors.py", "streams.py", "models", "scenarios", "sim", "topologies")
SUFFIXES: Final = (".py", ".yaml", ".csv", ".safetensors")
SHIPPED: Final = "scenarios/shipped"  # scenarios are data of a run, not code
PACKAGE: Final = tuple(Path(folder) for folder in sys.modules["cutlayer"].__path__)


@cache
def code_digest(parts: tuple[str, ...] = ALL_CODE, package: tuple[Path, ...] = PACKAGE) -> str:
    """Return the fingerprint of code and figures in some folders and files of the package.

    `package` has the folders in which the package's parts lie.
    """
    files: dict[str, Path] = {}
    for part in parts:
        root = next(folder for folder in package if (folder / part).exists())
        inside = [root / part] if part.endswith(".py") else (root / part).rglob("*")
        files |= {file.relative_to(root).as_posix(): file for file in inside}
    fingerprint = hashlib.blake2b(digest_size=16)
    for name, file in sorted(files.items()):
        shipped = name.startswith(f"{SHIPPED}/") and file.suffix == ".yaml"
        if file.suffix in SUFFIXES and not shipped:
            fingerprint.update(name.encode())
            fingerprint.update(hashlib.blake2b(file.read_bytes()).digest())
    return fingerprint.hexdigest()

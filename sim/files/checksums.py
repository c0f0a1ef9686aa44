"""Checksums of result files, which reveal a damaged or edited file when it is read.

They are stored in `checksums.sha256`, one line per file, in the format of `sha256sum`, which can check
them too. Only listed files are checked: to edit a file on purpose, delete its line.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cutlayer.errors import UserError
from cutlayer.sim.files.atomic import errors_named, write_text

CHECKSUMS: Final = "checksums.sha256"


class ChecksumError(UserError):
    """A file that differs from its checksum, or a list of checksums that cannot be read."""


def write_checksums(folder: Path, files: Iterable[str], also: Mapping[str, bytes]) -> None:
    """Write the checksums of a folder's files and, with `also`, of contents yet to be written.

    Files are given by their relative paths. Raises OutputError.
    """
    found = {}
    for name in files:
        with errors_named(folder / name), (folder / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    found |= {name: checksum(content) for name, content in also.items()}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(found.items())]
    write_text(folder / CHECKSUMS, "".join(lines))


def read_checksums(folder: Path) -> dict[str, str]:
    """Return a folder's checksums by relative path. Raises ChecksumError if the list is damaged."""
    file = folder / CHECKSUMS
    found = {}
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ChecksumError(f"{file} cannot be read: {why}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise ChecksumError(
                f"{file}:{number} is damaged: it is not a checksum and a file's name"
            )
        found[name] = digest
    return found


def checksum(content: bytes) -> str:
    """Return the checksum of a file's content."""
    return hashlib.sha256(content).hexdigest()

"""Results of a study on disk: a file for each cell and each training, named by its address.

A file appears whole or not at all, and equal content gives equal bytes. Each file has a checksum of its
address and content. A file that is damaged, changed or misnamed is reported and treated as missing, so
that its content is computed again.
"""

import gzip
import hashlib
import json
import stat
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cutlayer.sim.files.atomic import errors_named, write_bytes

LARGEST: Final = 2**30  # bytes of a content as text; a curve of 10^6 rounds has 3 x 10^7
_START: Final = '{"checksum":"'
_MIDDLE: Final = '","content":'
_HEAD: Final = len(_START) + 64 + len(_MIDDLE)

Report = Callable[[str], None]


class _DamagedError(Exception):
    """The reason why a file is not as it was written."""


class Store:
    """A folder of results by address. `report` gets one line for each damaged file.

    With `sync` a file is on the disk when `put` returns; without, a power failure may damage it.
    """

    def __init__(self, folder: Path, report: Report, *, sync: bool = False) -> None:
        self.folder = folder
        self._report = report
        self._sync = sync

    def get(self, address: str) -> dict[str, Any] | None:
        """Return the content at an address; None if it is missing or damaged."""
        file = self._file(address)
        try:
            return _content(file, address)
        except FileNotFoundError:
            return None
        except _DamagedError as error:
            why = str(error)
        except OSError as error:
            why = error.strerror or "it cannot be read"
        self._report(f"{file} is damaged ({why}) and is computed again")
        return None

    def stored(self, addresses: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the contents of the addresses that have one."""
        return {address: kept for address in addresses if (kept := self.get(address)) is not None}

    def put(self, address: str, content: Mapping[str, Any]) -> None:
        """Store content at an address. Raises OutputError."""
        file = self._file(address)
        with errors_named(file):
            self.folder.mkdir(exist_ok=True)
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
        whole = f"{_START}{_checksum(address, text)}{_MIDDLE}{text}}}\n"
        write_bytes(file, gzip.compress(whole.encode(), mtime=0), sync=self._sync)

    def _file(self, address: str) -> Path:
        return self.folder / f"{address}.json.gz"


def _content(file: Path, address: str) -> dict[str, Any]:
    """Return the content of a file. Raises _DamagedError or OSError."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise _DamagedError("it is not a file")
    try:
        with gzip.open(file) as packed:
            whole = packed.read(LARGEST + 1)
        if len(whole) > LARGEST:
            raise _DamagedError(f"it holds more than {LARGEST:,} bytes")
        text = whole.decode()
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError):
        raise _DamagedError("it cannot be unpacked") from None
    body = text[_HEAD:].removesuffix("}\n")
    if text != f"{_START}{_checksum(address, body)}{_MIDDLE}{body}}}\n":
        raise _DamagedError("its content is not what was written")
    content: dict[str, Any] = json.loads(body)
    return content


def _checksum(address: str, text: str) -> str:
    return hashlib.sha256(f"{address}\n{text}".encode()).hexdigest()

"""What a study has found so far, on disk: a file for each cell and each training, by its address.

A file appears whole or not at all, and the same content is the same bytes.
"""

import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Store:
    """A folder of results by their address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, address: str) -> dict[str, Any] | None:
        """Return what is kept, None where there is nothing (or something that is not whole)."""
        try:
            text = gzip.decompress(self._file(address).read_bytes())
            found = json.loads(text)
        except (OSError, EOFError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("schema") == 1 else None

    def put(self, address: str, content: Mapping[str, Any]) -> None:
        """Keep something, for good."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._file(address)
        unfinished = file.with_name(f"{file.name}.{os.getpid()}.part")
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
        unfinished.write_bytes(gzip.compress(text.encode(), mtime=0))
        unfinished.replace(file)

    def __contains__(self, address: str) -> bool:
        return self.get(address) is not None

    def _file(self, address: str) -> Path:
        return self.folder / f"{address}.json.gz"

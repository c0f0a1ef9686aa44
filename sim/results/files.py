"""Files of a result folder, each checked against its checksum before it is read."""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from cutlayer.errors import UserError
from cutlayer.sim.files.checksums import CHECKSUMS, ChecksumError, read_checksums
from cutlayer.sim.results.folder import read_marker


class SavedError(UserError):
    """A folder without results, with incomplete or with damaged ones."""


class ResultFiles:
    """Reads the files of a folder. Folders of earlier versions have no checksums and are not checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _checksums(self) -> dict[str, str]:
        file = self.folder / CHECKSUMS
        if not file.is_file():
            marker = read_marker(self.folder)
            if marker is not None and marker.kind in ("run", "study"):
                raise SavedError(
                    f"{file} is missing: {self.folder} is not a whole copy of a result folder"
                )
            return {}
        try:
            return read_checksums(self.folder)
        except ChecksumError as error:
            raise SavedError(str(error)) from None

    def checked(self, name: str) -> Path:
        """Return the path of a file after checking its content. Raises SavedError."""
        file = self.folder / name
        if not file.is_file():
            what = "is not a file" if file.exists() else "is missing"
            raise SavedError(f"{file} {what}: {self.folder} is not a whole copy of a result folder")
        expected = self._checksums.get(name)
        try:
            with file.open("rb") as content:
                digest = None if expected is None else hashlib.file_digest(content, "sha256")
        except OSError as error:
            raise SavedError(f"{file} cannot be read: {error.strerror}") from None
        if digest is not None and digest.hexdigest() != expected:
            raise SavedError(
                f"{file} has changed since it was written: it is damaged, or was edited (if the edit"
                f" was meant, delete its line in {self.folder / CHECKSUMS})"
            )
        return file

    def lists(self, name: str) -> bool:
        """Whether the checksums list a file. Raises SavedError."""
        return name in self._checksums

    def text(self, name: str) -> str:
        """Return a text file. Raises SavedError."""
        file = self.checked(name)
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise SavedError(f"{file} cannot be read: {error.strerror}") from None
        except ValueError:
            raise SavedError(f"{file} is damaged: it is not UTF-8 text") from None

    def json(self, name: str) -> dict[str, Any]:
        """Return a mapping from a JSON file. Raises SavedError."""
        text = self.text(name)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            why = error if isinstance(error, ValueError) else "it is nested too deeply"
            raise SavedError(f"{self.folder / name} is damaged: {why}") from None
        if not isinstance(content, dict):
            raise SavedError(f"{self.folder / name} is damaged: it is not a mapping")
        return content

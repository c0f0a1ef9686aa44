"""Names of files that are made from text that a user chose."""

from typing import Final

LONGEST: Final = 100


class FileNames:
    """Gives each text a name of its own for a file or folder.

    A name has ASCII letters, digits, `-`, `_` and `.`, and does not begin with a dot: it names nothing
    outside its folder, in any locale. Two texts never get one name, also where a system does not tell
    capitals apart.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        """Return a name for a text that has had none before."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)
        first = plain.strip("-.")[:LONGEST] or "-"
        name, number = first, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{first}-{number}"
        self._taken.add(name.lower())
        return name

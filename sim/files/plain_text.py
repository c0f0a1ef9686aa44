"""Text from users: shown without markup or terminal commands, and turned into file names.

Control characters (C0, C1, DEL), marks that change the writing direction, line separators and lone
surrogates are shown as Python escapes (`\\x1b`, `\\u202e`). Line ends and tabs are kept.
"""

import sys
import unicodedata
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

LONGEST_NAME: Final = 100  # characters of a file name
_CONTROLS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_KEPT: Final = frozenset("\n\t\u00ad\u200c\u200d")  # and soft hyphens and joiners


def visible(text: str, encoding: str = "utf-8") -> str:
    """Return `text` with escapes for terminal controls and for characters that `encoding` lacks."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if _harmless(c) else _escape(c) for c in text)
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def plain(text: str, style: str = "", encoding: str = "utf-8") -> "Text":
    """Return a text for rich's tables and consoles that is not parsed as markup."""
    from rich.text import Text

    return Text(visible(text, encoding), style)


def argument_text(argument: str) -> str:
    """Return an argument decoded as UTF-8 where the locale's encoding could not decode it."""
    try:
        return argument.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return argument


def show_what_cannot_be_encoded() -> None:
    """Make standard output and error write escapes for characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _harmless(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in _CONTROLS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class FileNames:
    """Makes a unique file or folder name from each text.

    A name consists of ASCII letters, digits, `-`, `_` and `.` and does not begin with a dot, so that it
    stays in its folder in any locale. Names differ by more than the case of their letters.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        """Return a new name for a text."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)
        first = plain.strip("-.")[:LONGEST_NAME] or "-"
        name, number = first, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{first}-{number}"
        self._taken.add(name.lower())
        return name

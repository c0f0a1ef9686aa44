"""Text that somebody chose, shown as it is: never as markup, never as a command to a terminal.

Control characters (C0, C1, DEL), marks that change the direction of writing, line separators and halves
of surrogate pairs are shown as Python's escapes (`\\x1b`, `\\u202e`). Line ends and tabs stay.
"""

import sys
import unicodedata
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

_CONTROLS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_KEPT: Final = frozenset("\n\t\u00ad\u200c\u200d")  # also soft hyphens, and what joins letters


def visible(text: str, encoding: str = "utf-8") -> str:
    """Return `text` with escapes for what steers a terminal, and for what `encoding` does not have."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if _harmless(c) else _escape(c) for c in text)
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def plain(text: str, style: str = "", encoding: str = "utf-8") -> "Text":
    """Return a text for rich's tables and consoles, in which no markup is looked for."""
    from rich.text import Text

    return Text(visible(text, encoding), style)


def argument_text(argument: str) -> str:
    """Return what was typed as an argument, in UTF-8, where the locale's encoding did not have it."""
    try:
        return argument.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return argument


def show_what_cannot_be_encoded() -> None:
    """Let standard output and error write escapes for characters that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _harmless(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in _CONTROLS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

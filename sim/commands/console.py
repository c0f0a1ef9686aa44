"""The terminal that commands print on: text is text.

Markup (`[bold]`), emoji names (`:x:`) and highlighting are off, control characters are shown as escapes,
and what the terminal's encoding does not have as escapes too. Tables have lines of ASCII where it has
no others. The one place where a `rich` console is made.
"""

import sys

from rich.console import Console, JustifyMethod, OverflowMethod
from rich.style import Style
from rich.text import Text

from cutlayer.sim.files.plain_text import visible


class CommandConsole(Console):
    """A console that prints all strings unchanged, also those in tables."""

    def __init__(self) -> None:
        # In a notebook, rich would turn every print into an output of its own, in HTML.
        super().__init__(markup=False, emoji=False, highlight=False, force_jupyter=False)

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        **_: object,
    ) -> Text:
        """Return a string as text without any markup, which is what rich makes of every string."""
        return Text(visible(text, self.encoding), style, justify=justify, overflow=overflow)

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line without wrapping, so that a path in it can be copied."""
        self.print(line, style=style, soft_wrap=True)


def make_console() -> CommandConsole:
    """Return a console on standard output."""
    return CommandConsole()


def print_as_it_is(text: str) -> None:
    """Print text for other programs, without wrapping."""
    print(visible(text, sys.stdout.encoding or "utf-8"))


def warn(line: str) -> None:
    """Print a warning of one line on standard error."""
    sys.stderr.write(f"warning: {visible(line)}\n")

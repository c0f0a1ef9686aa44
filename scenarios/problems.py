"""The problems of a scenario: each with its place, all in one error."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from cutlayer.errors import UserError

KeyPath = tuple[str | int, ...]

MAX_SHOWN = 50

_LONGEST_VALUE = 60


class _Missing:
    """The value of a missing key."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass(frozen=True)
class Problem:
    """A rule that a value of a scenario breaks.

    `path` is the key path in the file, `()` for the whole file; `line` counts from 1 and is None
    without a line (a missing file, an override); `value` is the value, or `MISSING`; `source` is the
    file, or `--set` for an override.
    """

    path: KeyPath
    line: int | None
    rule: str
    value: object = MISSING
    source: str = ""

    def __str__(self) -> str:
        place = [printable(self.source)] if self.source else []
        if self.line is not None:
            place.append(str(self.line))
        parts = [":".join(place)] if place else []
        if self.path:
            parts.append(dotted(self.path))
        shown = "" if not self.path and self.value is MISSING else f" (got {show(self.value)})"
        parts.append(printable(self.rule) + shown)
        return ": ".join(parts)


class ScenarioError(UserError):
    """An invalid scenario; `.problems` has all problems, in the order of the file.

    Its text lists the first `MAX_SHOWN` of them and counts the others.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        distinct = {str(problem): problem for problem in problems}
        # Problems without a line (the file itself, overrides) come last.
        self.problems = tuple(sorted(distinct.values(), key=lambda one: one.line or math.inf))
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        more = len(self.problems) - len(lines)
        if more > 0:
            lines.append(f"... and {more} more problem{'s' if more > 1 else ''}")
        return "\n".join(lines)


def file_error(source: str, rule: str, line: int | None = None) -> ScenarioError:
    """Return the error of a file that cannot be read as a whole."""
    return ScenarioError([Problem((), line, rule, MISSING, source)])


def dotted(path: KeyPath) -> str:
    """Return a key path as text: `training.rounds`."""
    keys = map(str, path)
    return ".".join(k if k.isprintable() and len(k) <= _LONGEST_VALUE else show(k) for k in keys)


def printable(text: str) -> str:
    """Return a text with unprintable characters, such as those that control a terminal, escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def show(value: object) -> str:
    """Return a value as written in a file, in one short line."""
    if value is MISSING:
        return "nothing"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    text = printable(text[: _LONGEST_VALUE + 1])
    if len(text) > _LONGEST_VALUE:
        text = text[: _LONGEST_VALUE - 3] + "..."
    return text

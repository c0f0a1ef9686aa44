"""A scenario file as plain data, with the line of every value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutlayer.scenarios.problems import MISSING, KeyPath, Problem


@dataclass(frozen=True)
class Origin:
    """The origin of a value: a file and its line, or an override without a line."""

    source: str
    line: int | None


@dataclass(frozen=True)
class Document:
    """Plain data (mappings with text keys, lists, scalars) and the origin of every key path."""

    source: str
    data: Any
    origins: Mapping[KeyPath, Origin]
    problems: tuple[Problem, ...] = ()

    def origin(self, path: KeyPath) -> Origin:
        """Return the origin of `path`, or else of the nearest section around it."""
        for length in range(len(path), -1, -1):
            if (origin := self.origins.get(path[:length])) is not None:
                return origin
        return Origin(self.source, None)

    def value(self, path: KeyPath) -> object:
        """Return the value at `path`, or `MISSING`."""
        node = self.data
        for key in path:
            keys = node if isinstance(node, dict) else range(_length(node))
            if key not in keys:
                return MISSING
            node = node[key]
        return node

    def locate(self, path: KeyPath) -> KeyPath:
        """Return `path` as written in the file, without the fields that a shorthand omits."""
        node = self.data
        located: list[str | int] = []
        for key in path:
            if isinstance(node, dict):
                if key in node:
                    node = node[key]
                elif str(key).startswith(("~", "[key]")):  # names a form, or the key itself
                    continue
                else:
                    node = MISSING
            elif key in range(_length(node)):
                node = node[key]
            elif node is not MISSING:
                continue
            located.append(key)
        return tuple(located)

    def problem(self, path: KeyPath, rule: str, value: object = ...) -> Problem:
        """Return a problem at `path`, with its line and, unless given, the value there."""
        located = self.locate(path)
        origin = self.origin(located)
        shown = self.value(located) if value is ... else value
        return Problem(located, origin.line, rule, shown, origin.source)


def _length(node: object) -> int:
    return len(node) if isinstance(node, list) else 0

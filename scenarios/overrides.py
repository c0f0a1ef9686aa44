"""Overrides (`--set a.b=c`): values of a scenario that are replaced before its validation."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from cutlayer.scenarios.aliases import current_path, rename_old
from cutlayer.scenarios.document import Document, Origin
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError
from cutlayer.scenarios.yaml_text import MAX_DEPTH, read

SOURCE = "--set"
_T = TypeVar("_T")
_INSTEAD_OF = {("seeds",): "seed", ("seed",): "seeds"}


def apply_overrides(document: Document, overrides: Iterable[str]) -> tuple[Document, list[Problem]]:
    """Return the document with each `path=value` applied in order, and the overrides that do not fit.

    Keys are separated by dots, list entries are numbers from 0, the value is YAML. Missing sections
    are created, `ecofed` counts as `ecofed: {}`, and `seeds` replaces `seed`. The validation reports
    unknown keys.
    """

    def read_override(override: str) -> tuple[str, Any]:
        path, equals, text = override.partition("=")
        if not equals or not path.strip():
            raise _misfit((), "must have the form path.to.key=value", override)
        return path, _value(text)

    return _applied(document, overrides, read_override, SOURCE)


def apply_changes(
    document: Document, changes: Mapping[str, Any], source: str
) -> tuple[Document, list[Problem]]:
    """Return the document with plain values at dotted paths, as `apply_overrides`.

    `source` is the origin of the values in messages.
    """
    return _applied(document, changes.items(), lambda item: item, source)


def _applied(
    document: Document,
    overrides: Iterable[_T],
    read_override: Callable[[_T], tuple[str, Any]],
    source: str,
) -> tuple[Document, list[Problem]]:
    """Return the document with overrides applied, each read as a dotted path and a value."""
    data = copy.deepcopy(document.data) if document.data is not None else {}
    written_origins = dict(document.origins)
    rename_old(data, written_origins, document.source)
    problems: list[Problem] = []
    replaced: dict[KeyPath, int] = {}  # by path: the last override that set it
    set_at: dict[KeyPath, int] = {}  # by the new part of a path: the last override that created it
    for index, override in enumerate(overrides):
        try:
            dotted, value = read_override(override)
            path, written = _put(data, current_path(dotted.strip(), source), value)
        except ScenarioError as error:
            problems += [replace(problem, source=source) for problem in error.problems]
            continue
        if path in _INSTEAD_OF:
            data.pop(_INSTEAD_OF[path], None)
        rename_old(data, {}, source)
        replaced[path] = set_at[written] = index
    origins = {
        known: at for known, at in written_origins.items() if not _is_later(replaced, known, -1)
    }
    origins |= {
        written: Origin(source, None)
        for written, index in set_at.items()
        if not _is_later(replaced, written, index)
    }
    return Document(document.source, data, origins, document.problems), problems


def _is_later(replaced: dict[KeyPath, int], path: KeyPath, index: int) -> bool:
    """Whether `path`, or a section around it, was replaced after the override `index`."""
    return any(replaced.get(path[:length], -1) > index for length in range(len(path) + 1))


def _misfit(path: KeyPath, rule: str, value: object) -> ScenarioError:
    return ScenarioError([Problem(path, None, rule, value, SOURCE)])


def _value(text: str) -> Any:
    try:
        written = read(text, SOURCE)
    except ScenarioError as error:
        raise _misfit((), error.problems[0].rule, text) from None
    for problem in written.problems:
        raise _misfit(problem.path, problem.rule, problem.value)
    return written.data


def _put(data: Any, dotted: str, value: Any) -> tuple[KeyPath, KeyPath]:
    """Write `value` at `dotted` into `data`, in place; return its path, and the new part of it."""
    node: Any = data
    rest = dotted
    path: KeyPath = ()
    new: KeyPath | None = None
    while True:
        key, rest = _next_key(node, rest, path)
        path = (*path, key)
        if len(path) > MAX_DEPTH:
            raise _misfit((), f"is nested more than {MAX_DEPTH} levels deep", dotted)
        if not rest:
            node[key] = value
            return path, new or path
        inner = node.get(key) if isinstance(node, dict) else node[key]
        if inner is None:
            inner = node[key] = {}
            new = new or path
        elif isinstance(inner, str) and (rest == inner or rest.startswith(f"{inner}.")):
            inner = node[key] = {inner: {}}  # the short form of a choice: `ecofed`
        node = inner


def _next_key(node: Any, dotted: str, path: KeyPath) -> tuple[str | int, str]:
    """Return the first key of `dotted` (the longest existing one: keys may have dots), and the rest."""
    first, _, rest = dotted.partition(".")
    if isinstance(node, dict):
        existing = [key for key in node if dotted == key or dotted.startswith(f"{key}.")]
        if existing:
            key = max(existing, key=len)
            return key, dotted[len(key) + 1 :]
        return first, rest
    if isinstance(node, list):
        if not first.isdecimal() or int(first) >= len(node):
            rule = f"must be the number of one of the {len(node)} entries, from 0"
            raise _misfit((*path, first), rule, first)
        return int(first), rest
    raise _misfit((*path, first), "cannot be set inside a single value", node)

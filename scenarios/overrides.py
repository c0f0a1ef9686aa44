"""Overrides (`--set a.b=c`): values of a scenario that are replaced before its validation."""

import copy
from collections.abc import Iterable
from typing import Any

from cutlayer.scenarios.aliases import current_path, rename_old
from cutlayer.scenarios.document import Document, Origin
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError
from cutlayer.scenarios.yaml_text import MAX_DEPTH, read

SOURCE = "--set"
_INSTEAD_OF = {("seeds",): "seed", ("seed",): "seeds"}


def apply_overrides(document: Document, overrides: Iterable[str]) -> tuple[Document, list[Problem]]:
    """Return the document with each `path=value` applied in order, and the overrides that do not fit.

    Keys are separated by dots, list entries are numbers from 0, the value is YAML. Missing sections
    are created, `ecofed` counts as `ecofed: {}`, and `seeds` replaces `seed`. The validation reports
    unknown keys.
    """
    data = copy.deepcopy(document.data) if document.data is not None else {}
    written_origins = dict(document.origins)
    rename_old(data, written_origins, document.source)
    problems: list[Problem] = []
    replaced: dict[KeyPath, int] = {}  # by path: the last override that set it
    set_at: dict[KeyPath, int] = {}  # by the new part of a path: the last override that created it
    for index, override in enumerate(overrides):
        dotted, equals, text = override.partition("=")
        try:
            if not equals or not dotted.strip():
                raise _misfit((), "must have the form path.to.key=value", override)
            value = _value(text)
            path, written = _put(data, current_path(dotted.strip(), SOURCE), value)
        except ScenarioError as error:
            problems += error.problems
            continue
        if path in _INSTEAD_OF:
            data.pop(_INSTEAD_OF[path], None)
        rename_old(data, {}, SOURCE)
        replaced[path] = set_at[written] = index
    origins = {
        known: at for known, at in written_origins.items() if not _is_later(replaced, known, -1)
    }
    origins |= {
        written: Origin(SOURCE, None)
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

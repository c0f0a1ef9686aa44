"""Explanations of YAML errors: the line, what is there, and what YAML expected."""

import re

import yaml

_BLOCK_END = re.compile(r"expected <block end>, but found '(.*)'")
_FLOW = re.compile(r"expected ',' or '([]}])', but got '(.*)'")
_NO_VALUE = re.compile(r"expected the node content, but found '(.*)'")
_NO_START = re.compile(r"found character '(.+)' that cannot start any token", re.DOTALL)
_OPENS = {"}": "{", "]": "["}


def explained(text: str, error: yaml.MarkedYAMLError) -> tuple[int | None, str]:
    """Return the line (from 1) and the rule that it breaks."""
    mark = error.problem_mark or error.context_mark
    reason = error.problem or error.context or "cannot be parsed"
    if mark is None:
        return None, reason
    lines = text.split("\n")
    line, column = mark.line + 1, mark.column
    begun = error.context_mark
    if reason == "mapping values are not allowed here":
        return line, _second_value(lines, mark.line, column)
    if (found := _BLOCK_END.fullmatch(reason)) and begun is not None:
        return line, _misplaced(lines, mark, begun, found[1])
    if (found := _FLOW.fullmatch(reason)) and begun is not None:
        opened = f"the {_OPENS[found[1]]!r} of line {begun.line + 1} is still open"
        return line, f"found {_named(found[2])} where {opened}: YAML expected ',' or {found[1]!r}"
    if reason == "found unexpected end of stream" and begun is not None:
        return begun.line + 1, "the quote that opens on this line is never closed"
    if reason.startswith("expected '<document start>', but found '<block mapping start>'"):
        above = _line_above(lines, mark.line)
        expected = "" if above is None else f"; YAML expected {_indent(lines[above])}, as above"
        return line, f"the line is indented by {_spaces(column)}{expected}"
    if found := _NO_START.fullmatch(reason):
        if found[1] in ("\t", "\\t"):
            return line, "a tab cannot indent; use spaces"
        return line, f"a value cannot begin with {found[1]!r}; put it in quotes"
    if found := _NO_VALUE.fullmatch(reason):
        return line, f"a value is missing before {_named(found[1])}"
    if reason == "but found another document":
        return line, "one scenario a file; remove what follows '---'"
    return line, reason


def _second_value(lines: list[str], row: int, column: int) -> str:
    """Explain a misplaced `key: `: a second one on its line, or on a line that is indented too far."""
    here = lines[row] if row < len(lines) else ""
    above = _line_above(lines, row)
    if above is None or re.search(r"[:?] ", here[:column]) or here[:column].count('"') % 2:
        return "a second ': ' on the line; put the text in quotes"
    before = lines[above]
    if re.search(r":( |$)", before) is None:
        if re.match(r"\s*(?:- )?[\w.-]+:\S", before):
            return f"a key where line {above + 1} has text: a space is missing after its ':'"
        return f"a key where line {above + 1} has text, which cannot hold keys"
    own = _indent(here)
    expected = _indent(before) + (2 if before.lstrip().startswith("- ") else 0)
    if own <= expected:
        return f"a key where the value of line {above + 1} continues"
    return (
        f"the line is indented by {_spaces(own)}; YAML expected {expected}, as on line {above + 1}"
    )


def _misplaced(lines: list[str], mark: yaml.Mark, begun: yaml.Mark, found: str) -> str:
    """Explain something that does not belong to the open block."""
    here = lines[mark.line] if mark.line < len(lines) else ""
    if here[: mark.column].strip():
        return f"found {_named(found)}, which does not match anything on the line"
    block = f"the block that begins on line {begun.line + 1}"
    if mark.column != begun.column:
        rule = f"the line is indented by {_spaces(mark.column)}; YAML expected "
        above = _line_above(lines, mark.line)
        if above is not None and _indent(lines[above]) > mark.column:
            rule += f"{_indent(lines[above])}, as on line {above + 1}, or "
        return f"{rule}{begun.column}, as on line {begun.line + 1}"
    if here.lstrip().startswith("- ") or here.strip() == "-":
        return f"a list entry ('- '), where {block} has keys: indent it below the key it belongs to"
    return (
        f"a key, where {block} has list entries ('- '):"
        f" YAML expected {begun.column + 2} spaces to continue the entry"
    )


def _line_above(lines: list[str], row: int) -> int | None:
    """Return the index of the last line before a row that has more than a comment."""
    for index in range(min(row, len(lines)) - 1, -1, -1):
        if (held := lines[index].strip()) and not held.startswith("#"):
            return index
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _spaces(count: int) -> str:
    return f"{count} space{'' if count == 1 else 's'}"


def _named(token: str) -> str:
    """Return a token of PyYAML in the terms of a user."""
    known = {
        "<block mapping start>": "a key",
        "<block sequence start>": "a list entry",
        "<stream end>": "the end of the file",
        "<scalar>": "text",
        "?": "a key",
    }
    return known.get(token, repr(token))

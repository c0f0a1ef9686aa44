"""YAML text as plain data, with the line on which every value stands.

Plain scalars follow YAML 1.2: only `true` and `false` are booleans, `1e-3` is a number, and a time
or a date stays text. Tags, merge keys (`<<`) and several documents in one file are refused. A
duplicate key is a problem. Size, depth and the number of values with aliases expanded are bounded, so
that no file can exhaust the machine.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from cutlayer.scenarios.document import Document, Origin
from cutlayer.scenarios.problems import KeyPath, Problem, file_error, show
from cutlayer.scenarios.yaml_errors import explained

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_VALUES = 200_000

_TAG = "tag:yaml.org,2002:"
_LONGEST_NUMBER = 40
_SURROGATE = re.compile("[\ud800-\udfff]")
_IMPLICIT = [
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$")),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")),
    ("int", re.compile(r"^(?:[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+)$")),
    (
        "float",
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
    ),
]


def read(text: str, source: str) -> Document:
    """Return the document in `text`. Raises ScenarioError if the text as a whole cannot be read."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise file_error(source, f"is larger than {MAX_BYTES // 2**20} MiB")
    try:
        root = _Loader(text, source).get_single_node()
    except yaml.MarkedYAMLError as error:
        line, reason = explained(text, error)
        raise file_error(source, f"is not valid YAML: {reason}", line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        rule = f"is not valid YAML: the character U+{code:04X} is not allowed"
        raise file_error(source, rule, line) from None
    builder = _Builder(source)
    data = None if root is None else builder.build(root, (), root.start_mark.line + 1)
    return Document(source, data, builder.origins, tuple(builder.problems))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2 scalars and bounded size."""

    yaml_implicit_resolvers = {None: [(_TAG + name, pattern) for name, pattern in _IMPLICIT]}  # noqa: RUF012

    def __init__(self, stream: str, source: str) -> None:
        super().__init__(stream)
        self._source = source
        self._depth = 0
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._values += 1
        _check_bounds(self._source, self.line + 1, self._depth - 1, self._values)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _check_bounds(source: str, line: int, depth: int, values: int) -> None:
    if depth > MAX_DEPTH:
        rule = f"is nested more than {MAX_DEPTH} levels deep (or contains itself by an alias)"
        raise file_error(source, rule, line)
    if values > MAX_VALUES:
        raise file_error(source, f"holds more than {MAX_VALUES} values, aliases written out", line)


@dataclass
class _Builder:
    """Turns composed nodes into plain data and records the line of every path."""

    source: str
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def build(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        self.values += 1
        _check_bounds(self.source, line, len(path), self.values)
        self.origins[path] = Origin(self.source, line)
        value: Any
        own: tuple[str, ...]
        if isinstance(node, yaml.MappingNode):
            own, value = ("map",), self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            own = ("seq",)
            value = [self.build(item, (*path, i), item.start_mark.line + 1) for i, item in items]
        else:
            own, value = ("str", *_SCALARS), _scalar(node)
        if (tag := node.tag.removeprefix(_TAG)) not in own:
            shown = show(f"!!{tag}" if node.tag.startswith(_TAG) else tag)
            self._add(path, line, f"has the tag {shown}; tags are not supported", value)
        return value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                key = self._aside(key_node, path, line)
                self._add(path, line, "must have plain text as keys", key)
                continue
            key = _whole_characters(key_node.value)
            if key == "<<":
                rule = "merge keys are not supported; write the values out"
            elif key in values:
                rule = f"is written twice, first on line {self.origins[*path, key].line}"
            else:
                values[key] = self.build(value_node, (*path, key), line)
                continue
            self._add((*path, key), line, rule, self._aside(value_node, (*path, key), line))
        return values

    def _aside(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        """Return a value that is only shown: it counts against the bounds, but has no origin."""
        aside = _Builder(self.source, values=self.values)
        value = aside.build(node, path, line)
        self.values = aside.values
        return value

    def _add(self, path: KeyPath, line: int, rule: str, value: object) -> None:
        self.problems.append(Problem(path, line, rule, value, self.source))


def _scalar(node: yaml.Node) -> Any:
    """Return the value of a scalar; with an unknown tag, or as a very long number, it stays text."""
    text = _whole_characters(node.value)
    convert = _SCALARS.get(node.tag.removeprefix(_TAG))
    if convert is None or len(text) > _LONGEST_NUMBER:
        return text
    try:
        return convert(text)
    except ValueError:
        return text


def _whole_characters(text: str) -> str:
    r"""Return the text with surrogate pairs like "\ud83d\ude00", as in JSON, as single characters."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text.replace("_", ""))


def _float(text: str) -> float:
    lower = text.lower().replace("_", "")
    return float(lower.replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _float,
}

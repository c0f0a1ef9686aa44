"""The errors of pydantic as plain sentences with their place in the file."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cutlayer.scenarios.document import Document
from cutlayer.scenarios.problems import MISSING, KeyPath, Problem
from cutlayer.suggestion import suggestion

_MISSPELT = re.compile(r"is an unknown key; did you mean '(.+)'\?")
_TYPES_BY_SENTENCE = {
    "is required": "missing",
    "must be a whole number": "int_type int_parsing int_from_float",
    "must be a number": "float_type float_parsing",
    "must be a finite number": "finite_number",
    "must be true or false": "bool_type bool_parsing",
    "must be text": "string_type",
    "must not be empty": "string_too_short",
    "must be a list": "list_type tuple_type",
    "must be a mapping": "dict_type mapping_type model_type model_attributes_type",
}
_SENTENCES = {kind: text for text, kinds in _TYPES_BY_SENTENCE.items() for kind in kinds.split()}
_BOUNDS = {
    "greater_than": ("gt", "must be greater than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
    "string_too_long": ("max_length", "must be text no longer than"),
    "too_short": ("min_length", "must be a list with a length of at least"),
    "too_long": ("max_length", "must be a list with a length of at most"),
}


def problems_of(
    document: Document, error: ValidationError, model: type[BaseModel], prefix: KeyPath = ()
) -> list[Problem]:
    """Return the problems that `model` found in the value at `prefix`.

    If every form of a union refuses a value, their sentences are joined into one. A key that an unknown
    one is likely to mean is not reported as missing.
    """
    problems: list[Problem] = []
    rules: dict[KeyPath, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = (*prefix, *detail["loc"])
        sentence = _sentence(detail, model)
        if detail["type"] == "missing":
            problems.append(_missing(document, path, sentence))
        else:
            rules.setdefault(document.locate(path), []).append(sentence)
    meant = {
        (*path[:-1], match[1])
        for path, said in rules.items()
        for sentence in said
        if (match := _MISSPELT.match(sentence)) is not None
    }
    problems = [problem for problem in problems if problem.path not in meant]
    for path, said in rules.items():
        problems.append(document.problem(path, ", or ".join(dict.fromkeys(said))))
    return problems


def _missing(document: Document, path: KeyPath, rule: str) -> Problem:
    """Return the problem of a missing key, whose path may be absent in a short form (`ecofed`)."""
    spelled = tuple(key for key in path if not str(key).startswith("~"))
    origin = document.origin(spelled)
    return Problem(spelled, origin.line, rule, MISSING, origin.source)


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        *parents, key = detail["loc"]
        known = known_keys(model, tuple(parents))
        return (
            "is not allowed here" if key in known else f"is an unknown key{suggestion(key, known)}"
        )
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", context["expected"])
        hint = suggestion(detail["input"], choices, listed=0)
        return f"must be {context['expected'].replace(chr(39), '')}{hint}"
    if kind in _BOUNDS:
        if kind == "too_long" and isinstance(detail["input"], str):
            kind = "string_too_long"  # of a text with its own rule
        key, phrase = _BOUNDS[kind]
        return f"{phrase} {context[key]:g}"
    if kind == "value_error":
        return str(context["error"])
    return _SENTENCES.get(kind) or detail["msg"].replace("Input should be", "must be")


def known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that a mapping at `path` may have, by the JSON Schema of `model`."""
    schema = _json_schema(model)
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for key in path:
        nodes = [
            inner
            for node in nodes
            for form in _forms(node, definitions)
            if (inner := _inner(form, key)) is not None
        ] or (nodes if str(key).startswith("~") else [])
    forms = (form for node in nodes for form in _forms(node, definitions))
    return list(dict.fromkeys(key for form in forms for key in form.get("properties", {})))


@cache
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _forms(node: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schema itself and all its alternatives, following references."""
    if "$ref" in node:
        yield from _forms(definitions[node["$ref"].removeprefix("#/$defs/")], definitions)
    yield node
    for word in ("anyOf", "oneOf", "allOf"):
        for form in node.get(word, ()):
            yield from _forms(form, definitions)


def _inner(form: dict[str, Any], key: str | int) -> dict[str, Any] | None:
    if isinstance(key, int):
        inner = form.get("items")
    else:
        inner = form.get("properties", {}).get(key, form.get("additionalProperties"))
    return inner if isinstance(inner, dict) else None

"""The `methods` section: names with options, which the methods themselves declare."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, InstanceOf, ValidationError

from cutlayer.scenarios.aliases import canonical_method
from cutlayer.scenarios.document import Document
from cutlayer.scenarios.fields import is_object_path
from cutlayer.scenarios.messages import problems_of
from cutlayer.scenarios.pricing import Pricing
from cutlayer.scenarios.problems import KeyPath, Problem, dotted
from cutlayer.suggestion import suggestion

_LONGEST_LABEL = 80
BESIDE = ("label", "pricing")  # the keys that an entry may have beside its method


class Method(BaseModel):
    """A method to run, with its label, and with a `pricing` if its times are those of a published clock.

    `options` is the method's validated options model; for a method named `package.module:Object` it is
    the plain mapping of the file, which the method validates later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    options: InstanceOf[BaseModel] | dict[str, Any]
    pricing: Pricing | None = None

    def written(self) -> dict[str, Any]:
        """Return the entry as in a scenario file, with all options."""
        options = self.options
        plain = options.model_dump(mode="json") if isinstance(options, BaseModel) else options
        priced = {} if self.pricing is None else {"pricing": self.pricing.model_dump(mode="json")}
        return {self.name: plain, "label": self.label, **priced}


def read_methods(
    document: Document, known: Mapping[str, type[BaseModel]]
) -> tuple[tuple[Method, ...], list[Problem]]:
    """Return the valid entries of `methods`, with options validated by `known`, and all problems."""
    raw = document.value(("methods",))
    if not isinstance(raw, list) or not raw:
        rule = "must be a list of methods, such as [classic_fl, splitfed]"
        return (), [document.problem(("methods",), rule)]
    methods: list[Method] = []
    problems: list[Problem] = []
    labelled: dict[str, KeyPath] = {}
    for index, entry in enumerate(raw):
        path = ("methods", index)
        key, its_problems = _key(document, path, entry, known)
        problems += its_problems
        if key is None or its_problems:
            continue
        name = canonical_method(key, known) or key
        written = entry if isinstance(entry, dict) else {}
        pricing, its_problems = _pricing(document, (*path, "pricing"), written)
        problems += its_problems
        default = key.partition(":")[2] or key
        label = written.get("label", default if pricing is None else f"{default} as published")
        label_rule = _label_rule(label, labelled)
        if label_rule is not None:
            problems.append(document.problem((*path, "label"), label_rule, label))
        else:
            labelled[label] = path
        options, its_problems = _options(document, (*path, key), written.get(key), known.get(name))
        problems += its_problems
        if label_rule is None and options is not None:
            methods.append(Method(name=name, label=label, options=options, pricing=pricing))
    return tuple(methods), problems


def _key(
    document: Document, path: KeyPath, entry: object, known: Mapping[str, type[BaseModel]]
) -> tuple[str | None, list[Problem]]:
    """Return the key by which an entry names its method; None if it names none or several."""
    if isinstance(entry, str):
        keys = [entry]
    elif isinstance(entry, dict):
        keys = [key for key in entry if key not in BESIDE]
    else:
        return None, [document.problem(path, "must be a method's name or {name: {options}}")]
    names = [key for key in keys if canonical_method(key, known) or is_object_path(key)]
    others = [key for key in keys if key not in names]
    if len(names) == 1:
        rule = "is an unknown key beside a method"
        return names[0], [
            document.problem((*path, key), f"{rule}{suggestion(key, BESIDE)}") for key in others
        ]
    if len(keys) == 1:
        rule = f"is not a known method{suggestion(keys[0], known)}"
        return None, [document.problem((*path, keys[0]), rule, keys[0])]
    return None, [document.problem(path, "must name exactly one method")]


def _pricing(
    document: Document, path: KeyPath, written: Mapping[str, Any]
) -> tuple[Pricing | None, list[Problem]]:
    if "pricing" not in written:
        return None, []
    try:
        return Pricing.model_validate(written["pricing"]), []
    except ValidationError as error:
        return None, problems_of(document, error, Pricing, path)


def _label_rule(label: object, labelled: Mapping[str, KeyPath]) -> str | None:
    if not isinstance(label, str) or not label.strip() or not label.isprintable():
        return "must be a line of text"
    if len(label) > _LONGEST_LABEL:
        return f"must have at most {_LONGEST_LABEL} characters"
    if label in labelled:
        return (
            f"must differ from the label of {dotted(labelled[label])}; write one beside the method"
        )
    return None


def _options(
    document: Document, path: KeyPath, raw: object, model: type[BaseModel] | None
) -> tuple[BaseModel | dict[str, Any] | None, list[Problem]]:
    """Return validated options; the plain mapping of a user's own method; None if invalid."""
    written = {} if raw is None else raw
    if not isinstance(written, dict):
        return None, [document.problem(path, "must be a mapping of options")]
    if model is None:
        return written, []
    assert model.model_config.get("extra") == "forbid", f"{model} must refuse unknown options"
    try:
        # JSON mode is strict about numbers and text, but accepts lists for tuples.
        return model.model_validate_json(json.dumps(written), strict=True), []
    except ValidationError as error:
        return None, problems_of(document, error, model, path)

"""The JSON Schema of scenario files, for editors that complete and check YAML."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cutlayer.models.packages.names import PACKAGES
from cutlayer.scenarios.fields import KIND_KEY, OBJECT_PATTERN, Kind
from cutlayer.scenarios.schema import Scenario
from cutlayer.topologies.catalogue import device_names, link_names, stack_names
from cutlayer.topologies.published_clocks import CLOCKS


def json_schema(
    methods: Mapping[str, type[BaseModel]],
    models: Collection[str] = (),
    datasets: Collection[str] = (),
) -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) with the options of all methods and all known names."""
    schemas: list[type[BaseModel]] = [Scenario, *dict.fromkeys(methods.values())]
    keyed, document = models_json_schema([(model, "validation") for model in schemas])
    definitions = document["$defs"]
    scenario = definitions.pop(keyed[Scenario, "validation"]["$ref"].rpartition("/")[2])
    definitions.pop("Method", None)
    definitions.pop("BaseModel", None)
    options = {name: keyed[model, "validation"] for name, model in methods.items()}
    scenario["properties"]["methods"] = _method_list(options, definitions)
    names: dict[Kind, list[dict[str, Any]]] = {
        "devices": [*_enum(device_names()), {"type": "string", "description": "one of `devices`"}],
        "stacks": _enum(stack_names()),
        "links": _enum(link_names()),
        "models": [*_enum(models), _object("a model of your own"), _PACKAGED],
        "datasets": [*_enum(datasets), _object("a data set of your own")],
    }
    written = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **scenario,
        "title": "Cutlayer scenario",
        "$defs": definitions,
    }
    polished: dict[str, Any] = _polish(written, names)
    return polished


_PACKAGED: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": f"^({'|'.join(PACKAGES)}):.+",
    "description": "a model of a package",
}


def _method_list(
    options: Mapping[str, dict[str, Any]], definitions: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return the schema of a list of names, or of names with options and a label."""
    beside = {
        "label": {
            "type": "string",
            "minLength": 1,
            "description": "its name in tables and plots",
        },
        "pricing": _entry(
            {"properties": {"as_published": {"enum": list(CLOCKS)}}, "required": ["as_published"]}
        ),
    }
    bare = [name for name, reference in options.items() if not _requires(reference, definitions)]
    forms = [*_enum(bare), _object("a method of your own")]
    for name, reference in options.items():
        forms.append(_entry({"properties": {name: reference, **beside}, "required": [name]}))
    own = {OBJECT_PATTERN: {"type": ["object", "null"]}}
    forms.append(_entry({"properties": beside, "patternProperties": own}))
    return {"type": "array", "minItems": 1, "items": {"anyOf": forms}}


def _requires(reference: Mapping[str, Any], definitions: Mapping[str, dict[str, Any]]) -> bool:
    return "required" in definitions[reference["$ref"].rpartition("/")[2]]


def _entry(keys: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", **keys, "additionalProperties": False}


def _enum(names: Collection[str]) -> list[dict[str, Any]]:
    return [{"enum": list(names)}] if names else []


def _object(description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": OBJECT_PATTERN, "description": description}


def _polish(node: Any, names: Mapping[Kind, list[dict[str, Any]]]) -> Any:
    """Return the schema with the known names and without pydantic's automatic titles."""
    if isinstance(node, list):
        return [_polish(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    if KIND_KEY in node:
        return {"anyOf": names[node[KIND_KEY]]}
    return {
        key: {name: _polish(inner, names) for name, inner in value.items()}
        if key in ("properties", "$defs")
        else _polish(value, names)
        for key, value in node.items()
        if key != "title" or value == "Cutlayer scenario"
    }

"""The JSON Schema for editors, checked by a validator of the keywords that it uses."""

import json
import re
from typing import Any

import pytest
import yaml

from cutlayer.scenarios import json_schema, shipped_names, shipped_path

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
IGNORED = {"description", "default", "examples", "$schema", "$defs", "title"}


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether `value` obeys `schema`; an unknown keyword is an error of this test."""
    checks = {
        "$ref": lambda ref: valid(value, root["$defs"][ref.removeprefix("#/$defs/")], root),
        "anyOf": lambda forms: any(valid(value, form, root) for form in forms),
        "oneOf": lambda forms: sum(valid(value, form, root) for form in forms) == 1,
        "enum": lambda allowed: value in allowed,
        "const": lambda allowed: value == allowed,
        "type": lambda names: any(
            isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
            for name in ([names] if isinstance(names, str) else names)
        ),
        "pattern": lambda pattern: not isinstance(value, str) or bool(re.search(pattern, value)),
        "minLength": lambda least: not isinstance(value, str) or len(value) >= least,
        "maxLength": lambda most: not isinstance(value, str) or len(value) <= most,
        "minimum": lambda least: not isinstance(value, int | float) or value >= least,
        "maximum": lambda most: not isinstance(value, int | float) or value <= most,
        "exclusiveMinimum": lambda least: not isinstance(value, int | float) or value > least,
        "exclusiveMaximum": lambda most: not isinstance(value, int | float) or value < most,
        "minItems": lambda least: not isinstance(value, list) or len(value) >= least,
        "maxItems": lambda most: not isinstance(value, list) or len(value) <= most,
        "minProperties": lambda least: not isinstance(value, dict) or len(value) >= least,
        "items": lambda inner: (
            not isinstance(value, list) or all(valid(item, inner, root) for item in value)
        ),
        "required": lambda keys: not isinstance(value, dict) or set(keys) <= value.keys(),
        "propertyNames": lambda _: True,
    }
    keys = {"properties", "patternProperties", "additionalProperties"}
    unknown = schema.keys() - checks.keys() - IGNORED - keys
    assert not unknown, unknown
    plain = all(checks[word](schema[word]) for word in checks if word in schema)
    if not plain or not isinstance(value, dict):
        return plain
    return all(valid_key(key, inner, schema, root) for key, inner in value.items())


def valid_key(key: str, value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if key in schema.get("properties", {}):
        return valid(value, schema["properties"][key], root)
    for pattern, inner in schema.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return valid(value, inner, root)
    inner = schema.get("additionalProperties", True)
    return inner if isinstance(inner, bool) else valid(value, inner, root)


@pytest.fixture(scope="module")
def schema(known):
    return json_schema(known["methods"], known["models"], known["datasets"])


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_scenarios_obey_it(schema, name):
    assert valid(yaml.safe_load(shipped_path(name).read_text(encoding="utf-8")), schema, schema)


def test_resolved_scenarios_obey_it(schema, small, read):
    assert valid(read(small).resolved(), schema, schema)


GOOD = [
    ("- classic_fl", "- my.own:Method"),
    ("- classic_fl", "- {my.own:Method: {x: 1}, label: x}"),
    ("- classic_fl", "- {classic_fl: {}}"),
    ("partition: iid", "partition: {sizes: [1, 2]}"),
    ("partition: iid", "partition: {dirichlet: 0.5}"),
    ("partition: iid", "augment: true"),
    ("name: vgg5", "name: my.own:Net"),
    ("link: 4g", "link: {rate: unlimited, delay: 0 s, duplex: full}"),
    ("device: raspberry-pi-3b-plus", "device: one-of-my-own"),
    ("up: 10 Mbit/s", "up: {trace: lte.up, start: 3 s}, jitter: {gamma: 0.3}, loss: 0.1 %"),
    ("up: 10 Mbit/s", "up: {steps: [{at: 0 s, rate: 0 bit/s}]}, jitter: {uniform: 1}, loss: 0"),
    ("link: 4g", "link: {name: 4g, loss: 0.1}"),
    ("methods:", "changes: [{at: 1 s, clients: a, up: 0 bit/s}]\nmethods:"),
    ("methods:", "changes: [{at: 1 s, link: a, rate: 0 bit/s}]\nmethods:"),
    (
        "methods:",
        "availability: [{clients: a, on_disconnect: drop, offline: [{from: 0 s, until: 1 s}]}]\n"
        "methods:",
    ),
]
BAD = [
    ("name: small", "nam: small"),
    ("partition: iid", "partition: idd"),
    ("partition: iid", "partition: {iid: {}, sizes: 5}"),
    ("rounds: 2", "rounds: 0"),
    ("rounds: 2", "rounds: 2.5"),
    ("name: vgg5", "name: vgg6"),
    ("name: sgd", "name: sdg"),
    ("link: 4g", "link: 5g"),
    ("up: 10 Mbit/s", "up: 10"),
    ("up: 10 Mbit/s", "up: '10'"),
    ("delay: 25 ms", "delay: unlimited"),
    ("delay: 25 ms", "delay: 25 ms, loss: 1"),
    ("delay: 25 ms", "delay: 25 ms, jitter: {normal: 0.3}"),
    ("up: 10 Mbit/s", "up: {trace: 5}"),
    ("up: 10 Mbit/s", "up: {trce: lte.up}"),
    ("methods:", "changes: [{at: 1 s, clients: a, upp: 0 bit/s}]\nmethods:"),
    ("methods:", "availability: [{clients: a, offline: []}]\nmethods:"),
    ("{period: 3}", "{period: 0}"),
    ("{period: 3}", "{perod: 3}"),
    ("- classic_fl", "- clasic_fl"),
    ("- classic_fl", "- needy"),
    ("label: ours", "lable: ours"),
    ("count: 2,", "count: 0,"),
    ("slots: 1", "discipline: fifo"),
]


@pytest.mark.parametrize(("old", "new"), GOOD)
def test_it_accepts_every_form(schema, small, old, new):
    assert old in small
    assert valid(yaml.safe_load(small.replace(old, new, 1)), schema, schema)


@pytest.mark.parametrize(("old", "new"), BAD)
def test_it_refuses_what_loading_refuses(schema, small, problems, old, new):
    text = small.replace(old, new, 1)
    assert problems(text)
    assert not valid(yaml.safe_load(text), schema, schema)


def test_it_offers_the_known_names(schema):
    written = json.dumps(schema)
    for name in ("ecofed", "vgg11", "cifar10", "raspberry-pi-4b", "wifi-50", "holistic"):
        assert f'"{name}"' in written
    assert "x-names" not in written

"""Content addresses: equal addresses mean that the same code would find the same result.

An address covers the code, the resolved scenario of one method with one seed, and the content of
every file that the scenario names. What only names or reports (the scenario's name and description,
the label, the targets) is left out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from cutlayer import models, scenarios, sim, streams, topologies
from cutlayer.scenarios.fields import is_object_path
from cutlayer.sim.learning.digest import source_identity

# Rooms of `sim` that only show, measure or ask: they decide no result.
NO_RESULT: Final = ("views", "commands", "report", "saved", "calibrate", "reproduce", "cli.py")
SUFFIXES: Final = (".py", ".yaml", ".csv", ".safetensors")


@cache
def code_digest() -> str:
    """Return the fingerprint of all code and figures of the four packages that decide a result."""
    fingerprint = hashlib.blake2b(Path(streams.__file__).read_bytes(), digest_size=16)
    for package in (models, topologies, scenarios, sim):
        assert package.__file__ is not None
        root = Path(package.__file__).parent
        for file in sorted(root.rglob("*")):
            inside = file.relative_to(root)
            left_out = package is sim and inside.parts[0] in NO_RESULT
            asked = package is scenarios and inside.parts[0] == "shipped" and file.suffix == ".yaml"
            if file.suffix in SUFFIXES and not left_out and not asked:
                fingerprint.update(f"{package.__name__}/{inside.as_posix()}".encode())
                fingerprint.update(hashlib.blake2b(file.read_bytes()).digest())
    return fingerprint.hexdigest()


def cell_address(scenario: Mapping[str, Any]) -> str:
    """Return the address of a scenario with one method and one seed, as `Cell.scenario` has it."""
    told = {k: v for k, v in scenario.items() if k not in ("name", "description", "methods")}
    told["training"] = {k: v for k, v in scenario["training"].items() if k != "targets"}
    told["methods"] = [
        {k: v for k, v in method.items() if k != "label"} for method in scenario["methods"]
    ]
    texts = sorted(set(_texts(told)))
    files = {text: _content(text) for text in texts if _is_file(text)}
    own = {name: source_identity(name) for name in _own_objects(told) if is_object_path(name)}
    return _digest(["cell", code_digest(), told, files, own])


def training_key(learning_digest: str, evaluate_every: int, numerics: Mapping[str, Any]) -> str:
    """Return the key of a learning curve: what was learned, when it was looked at, and with what."""
    return _digest(["training", code_digest(), learning_digest, evaluate_every, dict(numerics)])


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain data, keys too: a user's own method is a key."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


@cache
def _hashed(path: str, changed_ns: int, size: int) -> str:
    del changed_ns, size  # another file of the same name is another entry
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()


def _content(text: str) -> str:
    path = Path(text).resolve()
    about = path.stat()
    return _hashed(str(path), about.st_mtime_ns, about.st_size)


def _own_objects(scenario: Mapping[str, Any]) -> set[str]:
    """Return the names in the places of a scenario where a user's object can be named."""
    methods = [name for method in scenario["methods"] for name in method]
    named = [scenario["model"]["name"], scenario["data"]["dataset"], *methods]
    return {name for name in named if isinstance(name, str)}

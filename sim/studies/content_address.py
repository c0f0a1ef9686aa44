"""Content addresses: equal addresses mean that the same code would find the same result.

An address covers the code of the rooms that decide the result, the resolved scenario of one method with
one seed, and the content of every file that the scenario names. What only names or reports (the
scenario's name and description, the label, the targets) is left out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from cutlayer.scenarios.fields import is_object_path
from cutlayer.sim.files.code_digest import code_digest
from cutlayer.sim.learning.digest import source_identity

# What decides a training, beside what its learning digest covers: folders and files of the package.
LEARNING_CODE: Final = (
    "streams.py",
    "models",
    "sim/codecs",
    "sim/data",
    "sim/learning",
    "sim/methods",
    "sim/tasks",
    "sim/build/data_sets.py",
    "sim/build/initial.py",
    "sim/build/plan.py",
    "sim/build/world.py",
    "sim/run/engine.py",
    "sim/run/trained_figures.py",
    "sim/results/class_accuracy.py",
    "sim/results/curve.py",
)
# What decides a cell: the clock as well.
CELL_CODE: Final = (
    *LEARNING_CODE,
    "topologies",
    "scenarios",
    "sim/clock.py",
    "sim/build",
    "sim/compute",
    "sim/control",
    "sim/endpoints",
    "sim/log",
    "sim/network",
    "sim/run",
    "sim/transport",
    "sim/results/method.py",
    "sim/results/round.py",
    "sim/studies/jobs.py",
    "sim/studies/plain_results.py",
)
NOT_DECISIVE: Final = ("name", "description", "methods", "uncertainty")  # methods are added below
# What decides draws, beside the cell.
DRAWS_CODE: Final = ("sim/uncertainty",)


def cell_address(scenario: Mapping[str, Any]) -> str:
    """Return the address of a resolved scenario with one method and one seed (`Cell.scenario`)."""
    decisive = {k: v for k, v in scenario.items() if k not in NOT_DECISIVE}
    decisive["training"] = {k: v for k, v in scenario["training"].items() if k != "targets"}
    decisive["methods"] = [
        {k: v for k, v in method.items() if k != "label"} for method in scenario["methods"]
    ]
    files, own = _files(decisive), _own_code(decisive)
    return _digest(["cell", code_digest(CELL_CODE), decisive, files, own])


def inputs_of(scenario: Mapping[str, Any]) -> dict[str, str | None]:
    """Return fingerprints of the files and of a user's own objects that a resolved scenario names."""
    return _files(scenario) | _own_code(scenario)


def draws_address(cell: str, section: Mapping[str, Any], learned: Any) -> str:
    """Return the address of the draws of a cell.

    `cell` is its own address, `section` the scenario's `uncertainty`, `learned` the accuracies by round
    and the target whose time is drawn.
    """
    return _digest(["draws", code_digest(DRAWS_CODE), cell, dict(section), learned])


def training_key(
    learning_digest: str,
    evaluate_every: int,
    numerics: Mapping[str, Any],
    metrics: Mapping[str, str | None] | None = None,
) -> str:
    """Return the key of a learning curve: what is learned, when it is evaluated, with what numerics.

    `metrics` has the names of the task's metrics, with the fingerprints of a user's own.
    """
    code = code_digest(LEARNING_CODE)
    parts = [learning_digest, evaluate_every, dict(numerics), dict(metrics or {})]
    return _digest(["training", code, *parts])


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _texts(value: Any) -> Iterator[str]:
    """Yield every string in plain data, keys included, since a user's own method is a key."""
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
    del changed_ns, size  # part of the cache key only
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _content(text: str) -> str:
    path = Path(text).resolve()
    about = path.stat()
    return _hashed(str(path), about.st_mtime_ns, about.st_size)


def _files(scenario: Mapping[str, Any]) -> dict[str, str | None]:
    texts = sorted(set(_texts(scenario)))
    return {text: _content(text) for text in texts if _is_file(text)} | _folders(scenario)


def _folders(scenario: Mapping[str, Any]) -> dict[str, str | None]:
    """Return fingerprints of the folders that hold the data set, by name and content of their files."""
    dataset = scenario["data"]["dataset"]
    found: dict[str, str | None] = {}
    for text in _texts(dataset) if isinstance(dataset, Mapping) else ():
        if _is_folder(text):
            files = sorted(file for file in Path(text).rglob("*") if file.is_file())
            names = [str(file.relative_to(text)) for file in files]
            contents = [_content(str(file)) for file in files]
            found[text] = _digest([names, contents])
    return found


def _is_folder(text: str) -> bool:
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


def _own_code(scenario: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: source_identity(name) for name in _own_objects(scenario) if is_object_path(name)}


def metric_identities(scenario: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the metrics of a resolved scenario's task, with the fingerprints of a user's own."""
    metrics = [name for section in scenario.get("task", {}).values() for name in section["metrics"]]
    return {name: source_identity(name) for name in metrics}


def _of_task(scenario: Mapping[str, Any]) -> list[str]:
    sections = scenario.get("task", {}).values()
    return [name for section in sections for name in (section["loss"], *section["metrics"])]


def _own_objects(scenario: Mapping[str, Any]) -> set[str]:
    """Return the names in a scenario that can be a user's own object."""
    methods = [name for method in scenario["methods"] for name in method]
    dataset = scenario["data"]["dataset"]
    named = [
        scenario["model"]["name"],
        *([dataset] if isinstance(dataset, str) else dataset.get("torch", {}).values()),
        *methods,
        *scenario.get("control", {}),
        *_of_task(scenario),
    ]
    return {name for name in named if isinstance(name, str)}

"""Python values as the plain data of a scenario file, with names in place of the user's objects.

Functions, classes and other callables may stand wherever a file has a `package.module:Object`; a
`torch.utils.data.Dataset` may stand for a data set.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from cutlayer.errors import UserError
from cutlayer.models.given_objects import Given, give
from cutlayer.models.own_object import import_own, looking_in
from cutlayer.scenarios.fields import is_object_path
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError
from cutlayer.scenarios.yaml_text import MAX_DEPTH

_DATASET: Final = ("data", "dataset")
_TORCH: Final = (*_DATASET, "torch")
_DATA_RULE: Final = (
    'must be a torch Dataset, such as TensorDataset(x, y), a name or a mapping ({"csv": FILE})'
)
_RULE: Final = "must be text, a number, true or false, a list, a mapping, or a function or class"


class PlainData:
    """Converts values to plain data. `source` is their origin in messages.

    `objects` are the ones found without an importable name; their names are valid while they are held.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.objects: list[Given] = []
        self._problems: list[Problem] = []

    def of(self, value: Any, path: KeyPath = ()) -> Any:
        """Return the value at `path` as plain data. Raises ScenarioError with all that cannot be."""
        plain = self._of(value, path)
        if self._problems:
            raise ScenarioError(self._problems)
        return plain

    def _of(self, value: Any, path: KeyPath) -> Any:
        if path == _DATASET:
            if _is_dataset(value):
                return {"torch": self._name(value)}
            if _has_samples(value):
                return self._refused(path, _DATA_RULE, type(value).__name__)
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            return value
        for kind in (int, float, str):  # without subclasses, such as numpy's numbers
            if isinstance(value, kind):
                return kind(value)
        if isinstance(value, np.generic | np.ndarray):
            return self._of(value.tolist(), path)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if not isinstance(value, Mapping | list | tuple | range):
            return self._named(value, path)
        if len(path) == MAX_DEPTH:
            return self._refused(path, f"is nested more than {MAX_DEPTH} levels deep", value)
        if isinstance(value, Mapping):
            return {
                self._key(key, path): self._of(v, (*path, str(key))) for key, v in value.items()
            }
        return [self._of(item, (*path, index)) for index, item in enumerate(value)]

    def _key(self, key: Any, path: KeyPath) -> str:
        if isinstance(key, str):
            return str(key)
        if isinstance(key, int) and not isinstance(key, bool):
            return str(key)  # as in a file, whose keys are text
        if callable(key):
            return self._name(key)
        self._refused(path, "must have text as keys", key)
        return str(key)

    def _named(self, value: Any, path: KeyPath) -> Any:
        if callable(value) or path[: len(_TORCH)] == _TORCH:
            return self._name(value)
        return self._refused(path, _RULE, value)

    def _name(self, value: Any) -> str:
        for name in _names(value):
            if is_object_path(name) and _is_name_of(name, value):
                return name
        given = give(value)
        self.objects.append(given)
        return given.name

    def _refused(self, path: KeyPath, rule: str, value: Any) -> Any:
        self._problems.append(Problem(path, None, rule, value, self.source))
        return None


def _is_dataset(value: Any) -> bool:
    """Return whether a value, or what a class makes, has samples by their numbers: pairs, if a list."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
    if isinstance(value, str | Mapping | tuple | range | np.ndarray) or hasattr(value, "detach"):
        return False
    by_number = hasattr(value, "__getitem__") and not hasattr(value, "info")
    return by_number and (isinstance(value, type) or not callable(value)) and not _is_enum(value)


def _is_enum(value: Any) -> bool:
    return isinstance(value, Enum) or (isinstance(value, type) and issubclass(value, Enum))


def _has_samples(value: Any) -> bool:
    """Return whether a value has samples in a form that is not that of a data set."""
    if isinstance(value, Mapping):
        return any(
            hasattr(part, "detach") or isinstance(part, np.ndarray) for part in value.values()
        )
    if isinstance(value, list | tuple | np.ndarray) or hasattr(value, "detach"):
        return True
    return hasattr(value, "dataset") and hasattr(value, "batch_size")  # a DataLoader


def _names(value: Any) -> Iterator[str]:
    """Yield the names by which a value may be imported.

    Of several modules that hold an object of a class, the one imported last is the first.
    """
    if isinstance(value, type | FunctionType):
        if value.__module__ in sys.modules:
            yield f"{value.__module__}:{value.__qualname__}"
        return
    for module_name, module in reversed(list(sys.modules.items())):
        if isinstance(module, ModuleType):
            for name, held in list(vars(module).items()):
                if held is value:
                    yield f"{module_name}:{name}"


def _is_name_of(name: str, value: Any) -> bool:
    """Return whether importing a name, as a run does, returns the value itself."""
    module, _, attributes = name.partition(":")
    if module in ("__main__", "__mp_main__"):
        return False
    held: Any = sys.modules[module]
    for attribute in attributes.split("."):
        held = getattr(held, attribute, None)
    try:
        with looking_in([str(Path.cwd())]):
            return held is value and import_own(name) is value
    except (UserError, ImportError):
        return False

"""Objects that a program gives in place of names, if they cannot be imported by a name.

Such are the functions and classes of a notebook or of `__main__`, lambdas, and objects that no module
holds. Each gets a name of the form `__main__:Object` that only this process knows, and only while
somebody holds its `Given`. A name never stands for a second object.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from weakref import WeakValueDictionary


class Given:
    """An object and its name."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value


_given: WeakValueDictionary[str, Given] = WeakValueDictionary()
_uses: Counter[str] = Counter()


def give(value: Any) -> Given:
    """Return the object with its name, a new one unless somebody holds it already."""
    for known in list(_given.values()):
        if known.value is value:
            return known
    own = getattr(value, "__qualname__", None) or type(value).__qualname__
    plain = re.sub(r"\W", "", own.rpartition(".")[2]) or "object"
    _uses[plain] += 1
    suffix = f"_{_uses[plain]}" if _uses[plain] > 1 else ""
    given = Given(f"__main__:{plain}{suffix}", value)
    _given[given.name] = given
    return given


def given(name: str) -> Given | None:
    """Return the object of a name that `give` returned; None for any other name."""
    return _given.get(name)


def given_names(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Yield the path of each name of a given object in plain data, keys included, and the name."""
    if isinstance(data, str):
        if data in _given:
            yield path, data
        return
    if isinstance(data, list):
        data = dict(enumerate(data))
    for key, value in data.items() if isinstance(data, dict) else ():
        if key in _given:
            yield (*path, key), key
        yield from given_names(value, (*path, key))

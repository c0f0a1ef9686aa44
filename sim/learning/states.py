"""The tensors of a run's states, by name and version.

A new version of a state becomes the current one. An earlier version is kept as long as a chain that is
open reads it, and then freed. Values are never changed in place.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cutlayer.sim.learning.state_key import StateKey

Versions = Mapping[StateKey, int]


class States(Mapping[StateKey, Any]):
    """The current values by name; `read` returns those of a version."""

    def __init__(self, initial: Mapping[StateKey, Any]) -> None:
        self._values = {key: {0: value} for key, value in initial.items()}
        self._current = dict.fromkeys(initial, 0)
        self._readers: Counter[tuple[StateKey, int]] = Counter()

    def __getitem__(self, key: StateKey) -> Any:
        return self._values[key][self._current[key]]

    def __setitem__(self, key: StateKey, value: Any) -> None:
        """Replace the current value."""
        self._values.setdefault(key, {})[self._current.setdefault(key, 0)] = value

    def __iter__(self) -> Iterator[StateKey]:
        return iter(self._current)

    def __len__(self) -> int:
        return len(self._current)

    def version(self, key: StateKey) -> int:
        """Return the number of the current version."""
        return self._current[key]

    def read(self, key: StateKey, version: int) -> Any:
        """Return the value of a version, which is current or held."""
        return self._values[key][version]

    def has(self, key: StateKey, version: int) -> bool:
        """Return whether a version has been put and is kept."""
        return version in self._values.get(key, ())

    def put(self, key: StateKey, version: int, value: Any) -> None:
        """Add a version, which becomes the current one."""
        before = self._current.get(key)
        self._values.setdefault(key, {})[version] = value
        self._current[key] = version
        if before is not None:
            self._free(key, before)

    def remove(self, key: StateKey) -> None:
        """Forget a state that no open chain reads."""
        del self._current[key], self._values[key]

    def hold(self, versions: Versions) -> None:
        """Keep these versions until each has been released as often as it was held."""
        self._readers.update(versions.items())

    def release(self, versions: Versions) -> None:
        """Release versions that `hold` kept."""
        for key, version in versions.items():
            self._readers[key, version] -= 1
            if not self._readers[key, version]:
                del self._readers[key, version]
                self._free(key, version)

    def _free(self, key: StateKey, version: int) -> None:
        if version != self._current.get(key) and (key, version) not in self._readers:
            self._values.get(key, {}).pop(version, None)  # the version may not have been put yet

    @property
    def kept(self) -> int:
        """The number of values that are kept, current or not."""
        return sum(len(versions) for versions in self._values.values())

    def versions(self) -> Versions:
        """Return the current version of each state."""
        return self._current

    def kept_values(self) -> dict[tuple[StateKey, int], Any]:
        """Return all values that are kept, by name and version."""
        return {
            (key, version): value
            for key, versions in self._values.items()
            for version, value in versions.items()
        }

    def restore(
        self, values: Mapping[tuple[StateKey, int], Any], versions: Mapping[StateKey, int]
    ) -> None:
        """Replace everything by values, of which those of `versions` are current; nothing is held."""
        self._values = {key: {} for key in versions}
        for (key, version), value in values.items():
            self._values.setdefault(key, {})[version] = value
        self._current = dict(versions)
        self._readers.clear()

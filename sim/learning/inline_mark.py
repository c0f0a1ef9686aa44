"""The mark of the `inline` executor: the states at the close of a round."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutlayer.sim.learning.interleaved_execution import GroupRun
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.states import States
from cutlayer.sim.learning.weights_digest import weights_digest


class InlineMark:
    """The states at the close of a round; values are never changed in place, so they are not copied."""

    done = True

    def __init__(self, states: States, groups: Sequence[GroupRun | None] = ()) -> None:
        self._groups = groups
        self._versions = dict(states.versions())
        self._values = states.kept_values()

    def result(self) -> None:
        """Return at once: chains have run when they are issued."""

    def values(self) -> Mapping[tuple[StateKey, int], Any]:
        """Return the states by name and version: the current ones, and those that open chains read."""
        return self._values

    def tokens(self) -> Mapping[tuple[StateKey, int], object]:
        """Return the values: they are not changed in place."""
        return self._values

    def versions(self) -> Mapping[StateKey, int]:
        """Return the current version of each state."""
        return self._versions

    def weights_digest(self) -> str:
        """Return a fingerprint of all trained weights, which does not depend on the cut."""
        current = {key: self._values[key, version] for key, version in self._versions.items()}
        return weights_digest(current, self._versions)

    def groups(self) -> Sequence[Any]:
        """Return the open groups as values; they share tensors with the groups."""
        return [None if run is None else run.dump() for run in self._groups]

    def release(self) -> None:
        """Forget the states."""
        self._values, self._groups = {}, ()

"""The digests and version numbers of a run's states, with or without tensors."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.digest import Digest, node
from cutlayer.sim.learning.state_key import MOMENTS, StateKey

# The digests and versions of states before a chain wrote them; None for a state that was new.
Before = Mapping[StateKey, tuple[Digest, int] | None]
NOTHING: Final[Before] = {}


class StateTable:
    """The current digest and version of each state."""

    def __init__(self, initial: Mapping[StateKey, Digest]) -> None:
        self.digests = dict(initial)
        self.versions = dict.fromkeys(initial, 0)

    def next_version(self, key: StateKey) -> int:
        """Count the next version of a state, and return its number."""
        version = self.versions[key] = self.versions.get(key, -1) + 1
        return version

    def write(self, chain: Chain, digest: Digest) -> Before:
        """Make the states that a chain writes current; return their earlier digests and versions."""
        before: dict[StateKey, tuple[Digest, int] | None] = {}
        for key in chain.writes:
            known = key in self.digests
            version = self.versions.get(key, 0)
            before[key] = (self.digests[key], version) if known else None
            chain.written[key] = self.next_version(key)
            self.digests[key] = node("write", key.text, [digest])
        return before

    def restore(self, before: Before) -> None:
        """Restore states that `write` replaced."""
        for key, known in before.items():
            if known is None:
                self.forget(key)
            else:
                self.digests[key], self.versions[key] = known

    def forget(self, key: StateKey) -> None:
        """Forget a state."""
        del self.digests[key], self.versions[key]

    def without(self, writes: Iterable[Before]) -> dict[StateKey, Digest]:
        """Return the digests before these writes, which are given latest first."""
        digests = dict(self.digests)
        for before in writes:
            for key, known in before.items():
                if known is None:
                    digests.pop(key, None)
                else:
                    digests[key] = known[0]
        return digests

    def before_fold(self, key: StateKey, aggregation: Aggregation) -> list[Digest]:
        """Return the digests that a fold reads besides its members': weights and moments."""
        return [self.digests[state] for state in folded(key, aggregation) if state in self.digests]

    def set_folded(self, key: StateKey, aggregation: Aggregation, digest: Digest) -> None:
        """Set the digests of the states that a fold wrote."""
        self.digests[key] = digest
        if aggregation.moments:
            moments = key.of_kind(MOMENTS)
            self.digests[moments] = node("write", moments.text, [digest])


def folded(key: StateKey, aggregation: Aggregation) -> list[StateKey]:
    """Return the states that a fold into `key` writes: itself and its moments, if it has any."""
    return [key, key.of_kind(MOMENTS)] if aggregation.moments else [key]


@lru_cache(maxsize=8)
def in_order(keys: tuple[StateKey, ...]) -> tuple[list[str], list[StateKey]]:
    """Return the names of states in order, and the states in this order."""
    named = sorted((key.text, key) for key in keys)
    return [text for text, _ in named], [key for _, key in named]

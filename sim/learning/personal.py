"""The clients' own models, where tensors of BatchNorm stay with them."""

from collections.abc import Iterable, Sequence

from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.state_key import LOCAL, StateKey

Keys = tuple[StateKey, ...]  # a model, by the states of its parts


class PersonalModels:
    """Which clients have trained, and what stays at each."""

    def __init__(self) -> None:
        self._kept: dict[int, Keys] = {}

    def add(self, folded: Iterable[Chain]) -> None:
        """Note what the clients of these chains keep."""
        for chain in folded:
            if kept := tuple(key for key in chain.writes if key.kind == LOCAL):
                self._kept[chain.client] = kept

    def of(self, models: Sequence[Keys]) -> Sequence[Keys]:
        """Return the model of each client that has trained: the shared one, with what stays there.

        There are none if nothing stays with a client, or if clients have models of their own anyway.
        """
        if len(models) != 1:
            return ()
        parts = {key.part for key in models[0]}
        kept = (self._kept[client] for client in sorted(self._kept))
        return [(*models[0], *(key for key in keys if key.part in parts)) for keys in kept]

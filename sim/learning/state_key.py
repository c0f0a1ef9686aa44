"""The names of the states of a run: weights, optimizer states, moments, buffers and logits."""

from typing import Final, NamedTuple

ALL_CLIENTS: Final = -1  # the client index of a chain or shard of all clients together
MODULES: Final = ("device", "server", "head")  # the parts that are modules, and can be trained
# Kinds of states; texts are part of learning digests, hence the old spelling.
WEIGHTS: Final = ""
OPTIMIZER: Final = "optimiser"  # of a client's replica of a part
MOMENTS: Final = "moments"  # of a part's aggregation


class StateKey(NamedTuple):
    """The name of a state: a part of the model, or another thing that the method keeps.

    `owner` is a client's index or a node's name; a state without an owner is shared by all clients.
    `kind` says what is kept of the part. `cut` is that of an auxiliary head if there are several.
    """

    part: str
    owner: int | str | None = None
    kind: str = WEIGHTS
    cut: int | None = None

    @property
    def text(self) -> str:
        """The name in digests, such as "server", "buffer/7" or "optimiser/device/3"."""
        part = self.part if self.cut is None else f"{self.part}@{self.cut}"
        owner = None if self.owner is None else str(self.owner)
        return "/".join(piece for piece in (self.kind, part, owner) if piece)

    @property
    def is_module(self) -> bool:
        """Whether this is the weights of a part that can be trained."""
        return self.kind == WEIGHTS and self.part in MODULES

    def of_kind(self, kind: str) -> "StateKey":
        """Return the state of another kind that belongs to this one."""
        return self._replace(kind=kind)


def shared(*parts: str) -> tuple[StateKey, ...]:
    """Return the states of some parts that all clients share."""
    return tuple(StateKey(part) for part in parts)


DEVICE: Final = StateKey("device")
SERVER: Final = StateKey("server")
HEAD: Final = StateKey("head")

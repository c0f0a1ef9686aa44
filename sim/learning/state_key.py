"""The names of the states of a run: weights, optimizer states, moments, buffers and logits."""

from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

ALL_CLIENTS: Final = -1  # the client index of a chain or shard of all clients together
MODEL: Final = "model"  # the part of a block, if clients have different cuts
MODULES: Final = ("device", "server", "head", MODEL)  # the parts that can be trained
# Kinds of states; texts are part of learning digests, hence the old spelling.
WEIGHTS: Final = ""
OPTIMIZER: Final = "optimiser"  # of a client's replica of a part
MOMENTS: Final = "moments"  # of a part's aggregation
CODEC: Final = "codec"  # what a codec keeps of a client's samples, by direction
LOCAL: Final = "local"  # BatchNorm's tensors of a part that stay with a client
FROZEN: Final = "frozen"  # the initial weights of a block, which are not trained


class StateKey(NamedTuple):
    """The name of a state: of a part of the model, or of other data that the method keeps.

    `owner` is a client's index or a node's name; a state without an owner is shared by all clients.
    `kind` says what it holds of the part: by default weights. `cut` is that of an auxiliary head, and
    `block` the number of a block of the model, if clients have different cuts.
    """

    part: str
    owner: int | str | None = None
    kind: str = WEIGHTS
    cut: int | None = None
    block: int | None = None

    @property
    def text(self) -> str:
        """The name in digests, such as "server", "buffer/7" or "optimiser/device/3"."""
        name, owner, kind, cut, block = self
        if cut is not None:
            name = f"{name}@{cut}"
        if block is not None:
            name = f"{name}.{block}"
        if kind:
            name = f"{kind}/{name}"
        return name if owner is None else f"{name}/{owner}"

    @property
    def prefix(self) -> str:
        """The prefix of the names of its tensors: a block's has its number in the model."""
        return "" if self.block is None else f"blocks.{self.block}."

    @property
    def is_module(self) -> bool:
        """Whether it holds the weights of a part that can be trained."""
        return self.kind == WEIGHTS and self.part in MODULES

    @property
    def is_of_mixed_cuts(self) -> bool:
        """Whether it holds weights that have a state if clients have different cuts: a block's."""
        return self.part == MODEL and self.is_module

    def of_kind(self, kind: str) -> "StateKey":
        """Return the state of another kind that belongs to this one."""
        return self._replace(kind=kind)


@cache
def cache_of(direction: str, client: int, cut: int | None) -> StateKey:
    """Return the state with what a codec keeps of a client's samples, at a cut if there are several."""
    return StateKey(direction, client, CODEC, cut)


def local_of(client: int, reads: Iterable[StateKey]) -> list[StateKey]:
    """Return the states with what stays at a client, of the parts that are on its device."""
    parts = {key.part for key in reads if key.is_module and key.part in ("device", "head")}
    return [StateKey(part, client, LOCAL) for part in sorted(parts)]


@cache
def shared(*parts: str) -> tuple[StateKey, ...]:
    """Return the states of some parts that all clients share."""
    return tuple(StateKey(part) for part in parts)


DEVICE: Final = StateKey("device")
SERVER: Final = StateKey("server")
HEAD: Final = StateKey("head")

"""The states of a run whose clients have different cuts: one for each block of the model.

With one cut for all, the states are the device block and the server block. With several, every block of
the model has a state: those before a client's cut are its device block, those after it its server block.
Each block is folded over the members that trained it, and does not change if none did. Auxiliary heads
differ in their inputs: there is one for each cut.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cutlayer.sim.learning.state_key import FROZEN, MODEL, WEIGHTS, StateKey

Parts = tuple[StateKey, ...]


@dataclass(frozen=True)
class MixedCuts:
    """The number of blocks of the model, the cuts that clients may have, and what devices run.

    If `freezes_device`, devices run the initial weights (EcoFed), even of blocks that the server trains.
    """

    blocks: int
    cuts: Sequence[int]
    freezes_device: bool

    def expanded(self, keys: Iterable[StateKey], cut: int) -> list[StateKey]:
        """Return the states of a cut for those of device block, server block and head."""
        return [state for key in keys for state in self._of(key, cut)]

    def _of(self, key: StateKey, cut: int) -> Iterable[StateKey]:
        if key.kind != WEIGHTS or key.part not in ("device", "server", "head"):
            return (key,)
        if key.part == "head":
            return (key._replace(cut=cut),)
        blocks = range(cut) if key.part == "device" else range(cut, self.blocks)
        frozen = key.part == "device" and self.freezes_device
        return (
            StateKey(MODEL, key.owner, FROZEN if frozen else WEIGHTS, block=block)
            for block in blocks
        )

    def initial(self, heads: bool) -> list[StateKey]:
        """Return the states that have initial weights."""
        states = [StateKey(MODEL, block=block) for block in range(self.blocks)]
        if self.freezes_device:
            states += [StateKey(MODEL, kind=FROZEN, block=b) for b in range(max(self.cuts))]
        return states + ([StateKey("head", cut=cut) for cut in self.cuts] if heads else [])

    def models(
        self, models: Sequence[Parts], cuts: Mapping[int, int]
    ) -> tuple[list[Parts], list[int]]:
        """Return models of named parts by their blocks, and the weight of each.

        With frozen blocks there is one for each cut, weighted by its clients (`cuts`).
        """
        ends = dict(sorted(cuts.items())) if self.freezes_device else {0: 1}
        expanded = [tuple(self.expanded(parts, cut)) for parts in models for cut in ends]
        return expanded, list(ends.values()) * len(models)

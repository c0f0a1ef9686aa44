"""A fold: the members that an aggregation combines into states, and their shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.state_key import StateKey


@dataclass(frozen=True)
class Fold:
    """The members of each state with their weights, in order, and the version that the fold makes.

    Shares are the weights over `total` (default: their sum); if they do not sum to 1, the current
    weights have the remaining share (FedAsync, Xie et al., 2019, Algorithm 1). With `deltas`, a member
    contributes the difference between its weights and the version that it started from (FedBuff, Nguyen
    et al., AISTATS 2022, Algorithm 1); for members that started from the current version, whose shares
    sum to 1, this is the mean, bit for bit.
    """

    aggregation: Aggregation
    members: Mapping[StateKey, Sequence[tuple[Chain, float]]]
    versions: Mapping[StateKey, int]
    total: float | None = None
    deltas: bool = False

    def total_of(self, key: StateKey) -> float:
        """Return the divisor of the weights of a state's members."""
        if self.total is not None:
            return self.total
        return sum(weight for _, weight in self.members[key])

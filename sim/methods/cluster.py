"""The members of a round whose weights one node averages: all, or those of an edge node."""

from dataclasses import dataclass

from cutlayer.sim.learning.state_key import StateKey


@dataclass(frozen=True)
class Cluster:
    """Members whose weights the server averages or, with an `edge`, the edge node of that name.

    `scheduled_at` is the round of the learning-rate schedule if that is not the round's index.
    """

    edge: str | None = None
    scheduled_at: int | None = None

    def states(self, *parts: str) -> tuple[StateKey, ...]:
        """Return the states that members read, and into which they are averaged."""
        return tuple(StateKey(part, self.edge) for part in parts)

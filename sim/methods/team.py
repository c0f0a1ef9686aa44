"""The members of a round that one node averages: all of them, or those of an edge node."""

from dataclasses import dataclass

from cutlayer.sim.learning.state_key import StateKey


@dataclass(frozen=True)
class Team:
    """Members whose weights the server averages or, with an `edge`, the edge node of that name.

    An edge node's members read the shared states in their first edge round, and those of the edge node
    when it `goes_on`. `scheduled_at` is the round of the learning-rate schedule if that is not the
    round's index.
    """

    edge: str | None = None
    goes_on: bool = False
    scheduled_at: int | None = None

    def reads(self, *parts: str) -> tuple[StateKey, ...]:
        """Return the states that members read of these parts."""
        return tuple(StateKey(part, self.edge if self.goes_on else None) for part in parts)

    def averages(self, *parts: str) -> tuple[StateKey, ...]:
        """Return the states into which members are averaged."""
        return tuple(StateKey(part, self.edge) for part in parts)

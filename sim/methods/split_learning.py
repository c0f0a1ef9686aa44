"""Sequential split learning (Gupta and Raskar, 2018; Vepakomma et al., 2018): one client at a time."""

from typing import Any

from cutlayer.sim.learning.state_key import shared
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.methods.method import MethodOptions, Process, Round
from cutlayer.sim.methods.splitfed import SplitFed


class SplitLearning(SplitFed):
    """Like SplitFed for each client, but the device block is passed on from client to client.

    A reference, not a federated method: one device block and one server block, without averaging.
    """

    name = "split_learning"
    summary = "clients train one after another and pass the device block on (sequential SL)"
    Options = MethodOptions
    reusable = True

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return 1: there is a single server block."""
        return 1

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: a client that drops out would take the only device block with it."""
        return "split_learning passes a single device block from client to client"

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:  # noqa: ARG003
        """Return participants: one chain passes through the shards of all clients."""
        return frozenset({"participants"})

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: clients pass on one device block, which has one cut."""
        return "split_learning passes on a single device block, which needs one cut for all clients"

    def open_round(self, index: int) -> Round:
        """Open one chain that passes through the sampled clients in order."""
        participants = self.world.fleet.sample(index)
        parts = shared(*self.parts)
        chain = self.joint_chain(
            index, participants, reads=parts, writes=parts, encodes=participants
        )
        return Round(index, "train", participants, (chain,) * len(participants))

    def run_round(self, rnd: Round) -> Process:
        """Run the clients in turn; each begins when the device block has returned to the server."""
        members, last = self.members(rnd), NO_CAUSE
        for client, chain in zip(rnd.participants, rnd.chains, strict=True):
            both = members.start(
                client,
                chain,
                lambda endpoint: self.device(endpoint, rnd),
                lambda endpoint: self.server(endpoint, rnd),
                after=last,
            )
            yield self.world.clock.all_of(both)
            last = members.servers[-1].last

"""SplitFed v2 (Thapa et al., AAAI 2022, Algorithm 2): all clients train one server block in turn."""

from typing import Any, ClassVar

from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.deferred import operations
from cutlayer.sim.learning.mixed_cuts import MixedCuts
from cutlayer.sim.learning.state_key import ALL_CLIENTS, SERVER
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.method import AveragingOptions, MethodOptions, Process, Round
from cutlayer.sim.methods.shared_block import CHAINS, STEPS, share_block
from cutlayer.sim.methods.splitfed import SplitFed


class SplitFedV2(SplitFed):
    """Like SplitFed, but with a single server block, which steps on batches in the order of arrival.

    The device blocks are averaged at the end of a round, the server block is not. Steps of the server
    block never overlap, however many slots the server has. The result depends on the order of the steps,
    which is part of the learning digest. With mixed cuts, a batch enters the server block at the cut of
    its client. The steps on the batches of a client that drops out are kept.
    """

    name = "splitfed_v2"
    summary = "like splitfed, but all clients train one server block in turn (SplitFed v2)"
    Options: ClassVar[type[MethodOptions]] = AveragingOptions
    parts = ("device",)
    reusable = False  # a round has to be played to know the order of the steps

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return 1: there is a single server block."""
        return 1

    @classmethod
    def check_late(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: the clients of a round share one server block, which closes with it."""
        return "splitfed_v2 trains one server block for the clients of a round"

    def open_round(self, index: int) -> Round:
        """Open a chain for each client's device block, and one for the server block."""
        rnd = super().open_round(index)
        mixed = self.world.learning.mixed
        if mixed is not None:
            trunk = self._open_mixed(rnd, mixed)
        else:
            block = (SERVER,)
            trunk = self.joint_chain(
                index, rnd.participants, reads=block, writes=block, at_end=True
            )
        share_block(self.world, rnd, trunk)
        return rnd

    def _open_mixed(self, rnd: Round, mixed: MixedCuts) -> Chain:
        """Open the chain of the server, which has the blocks from the smallest cut of all clients on.

        Clients with a larger cut train some of these blocks themselves: such a block is averaged over
        their copies and the server's, which counts for the clients whose batches step it there.
        """
        trunk = self.world.learning.chain(
            rnd.index,
            ALL_CLIENTS,
            sum(self.world.fleet.clients[client].samples for client in rnd.participants),
            reads=(SERVER,),
            averages=(SERVER,),
            members=rnd.participants,
            cut=min(mixed.cuts),
            at_end=True,
        )
        cuts = [self.world.fleet.cuts[client] for client in rnd.participants]
        weights = [chain.weight for chain in rnd.chains]
        trunk.weights = {
            key: sum(w for w, cut in zip(weights, cuts, strict=True) if cut <= key.block)
            for key in trunk.averages
            if key.block is not None
        }
        return trunk

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Train the server block on each activation in turn and return the gradient."""
        server.chain = rnd.notes[CHAINS][server.member]
        steps, trains = rnd.notes[STEPS], server.costs.parameters["device"] > 0
        yield from server.send_weights("device")
        for batch in server.batches:
            activation = yield server.receive()
            work = server.server_work.train(batch.size)
            work = server.with_codecs(work, activation, batch if trains else None)
            yield from server.compute_exclusively(steps, work, Activity.TRAIN)
            if self.world.learning.mixed is not None:
                gradient = server.chain.do(operations.server_step_from, activation, server.cut)
            else:
                gradient = server.chain.do(operations.server_step, activation)
            if trains:
                yield server.send(server.gradient(batch, gradient))
        yield from server.receive_weights()

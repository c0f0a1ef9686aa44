"""Local-loss DPFL: an auxiliary head on the device replaces the gradient (Han et al., 2021)."""

from cutlayer.sim.endpoints import message as wire
from cutlayer.sim.endpoints.device import DeviceSide
from cutlayer.sim.endpoints.server import ServerSide
from cutlayer.sim.methods.cuts import needs_both_blocks
from cutlayer.sim.methods.method import MethodOptions, Process, Round, SplitMethod


class LocalLoss(SplitMethod):
    """The device block learns from its own head's loss; activations go up, nothing comes down."""

    name = "local_loss"
    summary = "an auxiliary head trains the device block; activations go up, no gradient comes down"
    Options = MethodOptions
    parts = ("device", "head", "server")

    @classmethod
    def check_cut(cls, cut: int, last: int) -> str | None:
        """Both blocks must have something to train."""
        return needs_both_blocks(cls.name, cut, last)

    def device(self, side: DeviceSide, rnd: Round) -> Process:  # noqa: ARG002
        """Train block and head locally, send each activation on."""
        shape = self.world.activation_shape
        yield side.receive()
        for batch in side.batches:
            activation = yield side.train_local(batch)
            yield side.send(wire.activation(shape, batch.size), activation)
        yield side.send(self.weights("device", "head"))

    def server(self, side: ServerSide, rnd: Round) -> Process:  # noqa: ARG002
        """Train the server block on each activation as it comes."""
        yield side.send(self.weights("device", "head"))
        for batch in side.batches:
            activation = yield side.receive()
            yield side.learn(batch, activation)
        yield side.receive()

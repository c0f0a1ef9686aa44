"""Local-loss DPFL: an auxiliary head on the device replaces the gradient (Han et al., 2021)."""

from typing import ClassVar

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.methods.method import AveragingOptions, MethodOptions, Process, Round
from cutlayer.sim.methods.split_method import SplitMethod


class LocalLoss(SplitMethod):
    """The device block trains on its own head's loss; activations go up, no gradients come down."""

    name = "local_loss"
    summary = "an auxiliary head trains the device block; activations go up, no gradients come down"
    Options: ClassVar[type[MethodOptions]] = AveragingOptions
    parts = ("device", "head", "server")
    needs_both_blocks = True
    reusable = True

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train block and head locally and send each activation."""
        yield device.receive()
        for batch in device.batches:
            activation = yield device.train_local(batch)
            yield device.send(activation)
        yield device.send(device.weights("device", "head"))

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train the server block on each activation that arrives."""
        yield server.send(server.weights("device", "head"))
        for batch in server.batches:
            activation = yield server.receive()
            yield server.server_step_detached(batch, activation)
        yield server.receive()

"""The base of methods whose clients train the whole model: classic FL, FedAsync, FedBuff."""

from typing import Any

from cutlayer.sim.codecs.codecs import OF_WEIGHTS
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.methods.method import Method, Process


class WholeModel(Method):
    """A method whose server sends the whole model, which a client trains and sends back.

    The second argument of `device` and `server` is the round or the update.
    """

    sends = OF_WEIGHTS

    @classmethod
    def cut(cls, cut: int, last: int) -> int:  # noqa: ARG003
        """Return `last`: everything is on the device."""
        return last

    def device(self, device: DeviceEndpoint, _: Any) -> Process:
        """Receive the model, train it on every batch, send it back."""
        yield from device.receive_weights()
        for batch in device.batches:
            yield device.train_whole(batch)
        yield from device.send_weights("device")

    def server(self, server: ServerEndpoint, _: Any) -> Process:
        """Send the current model and wait for the client's."""
        yield from server.send_weights("device")
        yield from server.receive_weights()

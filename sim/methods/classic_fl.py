"""Classic federated learning: FedAvg (McMahan et al., AISTATS 2017, Algorithm 1)."""

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.methods.method import MethodOptions, Process, Round, SplitMethod


class ClassicFL(SplitMethod):
    """Every client trains the whole model and sends it; the server takes the weighted mean."""

    name = "classic_fl"
    summary = "the whole model travels and is trained on every device (FedAvg)"
    Options = MethodOptions

    @classmethod
    def cut(cls, cut: int, last: int) -> int:  # noqa: ARG003
        """Return `last`: everything is on the device."""
        return last

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Fetch the model, train it on every batch, send it back."""
        yield device.receive()
        for batch in device.batches:
            yield device.train_whole(batch)
        yield device.send(self.weights("device"))

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send the model, wait for it to come back."""
        yield server.send(self.weights("device"))
        yield server.receive()

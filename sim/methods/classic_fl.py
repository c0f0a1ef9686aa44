"""Classic federated learning: FedAvg (McMahan et al., AISTATS 2017, Algorithm 1)."""

from typing import ClassVar

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.methods.edge_options import EdgesOptions
from cutlayer.sim.methods.edges import EdgeMethod
from cutlayer.sim.methods.method import MethodOptions, Process, Round


class ClassicFL(EdgeMethod):
    """Every client trains the whole model and sends it; the server averages the models."""

    name = "classic_fl"
    summary = "every device trains the whole model, and the server averages (FedAvg)"
    Options: ClassVar[type[MethodOptions]] = EdgesOptions
    reusable = True

    @classmethod
    def cut(cls, cut: int, last: int) -> int:  # noqa: ARG003
        """Return `last`: everything is on the device."""
        return last

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Receive the model, train it on every batch, send it back."""
        yield device.receive()
        for batch in device.batches:
            yield device.train_whole(batch)
        yield device.send(device.weights("device"))

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send the model and wait for its return."""
        yield server.send(server.weights("device"))
        yield server.receive()

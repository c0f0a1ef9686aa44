"""Classic federated learning: FedAvg (McMahan et al., AISTATS 2017, Algorithm 1)."""

from cutlayer.sim.endpoints.device import DeviceSide
from cutlayer.sim.endpoints.server import ServerSide
from cutlayer.sim.methods.method import MethodOptions, Process, Round, SplitMethod


class ClassicFL(SplitMethod):
    """Every client trains the whole network and sends it; the server takes the weighted mean."""

    name = "classic_fl"
    summary = "the whole network travels and is trained on every device (FedAvg)"
    Options = MethodOptions

    @classmethod
    def cut(cls, cut: int, last: int) -> int:  # noqa: ARG003
        """Return `last`: everything is on the device."""
        return last

    def device(self, side: DeviceSide, rnd: Round) -> Process:  # noqa: ARG002
        """Fetch the network, train it on every batch, send it back."""
        yield side.receive()
        for batch in side.batches:
            yield side.train_whole(batch)
        yield side.send(self.weights("device"))

    def server(self, side: ServerSide, rnd: Round) -> Process:  # noqa: ARG002
        """Send the network, wait for it to come back."""
        yield side.send(self.weights("device"))
        yield side.receive()

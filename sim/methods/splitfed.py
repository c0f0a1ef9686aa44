"""Vanilla DNN-partitioning FL (DPFL): SplitFed v1 (Thapa et al., AAAI 2022, Algorithm 1)."""

from typing import ClassVar

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.methods.edge_options import SplitFedOptions
from cutlayer.sim.methods.edges import EdgeMethod
from cutlayer.sim.methods.method import MethodOptions, Process, Round


def train_split(device: DeviceEndpoint) -> Process:
    """Run forward, send, receive the gradient, run backward; at the end, send the device block."""
    trains = device.costs.parameters["device"] > 0
    yield from device.receive_weights()
    for batch in device.batches:
        activation = yield device.forward(batch)
        yield device.send(activation)
        if trains:
            gradient = yield device.receive()
            yield device.backward(batch, gradient)
    yield from device.send_weights("device")


def train_replica(server: ServerEndpoint) -> Process:
    """Train the client's server block on each activation that arrives and return the gradient."""
    trains = server.costs.parameters["device"] > 0
    yield from server.send_weights("device")
    for batch in server.batches:
        activation = yield server.receive()
        gradient = yield server.server_step(batch, activation)
        if trains:
            yield server.send(gradient)
    yield from server.receive_weights()


class SplitFed(EdgeMethod):
    """Every batch sends an activation up and its gradient down; both blocks are averaged.

    The server has a replica of the server block for each client. A device block without parameters
    (cut 0) needs no gradients, and none are sent.
    """

    name = "splitfed"
    summary = "activation up, gradient down for every batch (vanilla DPFL, SplitFed v1)"
    Options: ClassVar[type[MethodOptions]] = SplitFedOptions
    reusable = True

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send activations and receive their gradients; at the end, send the device block."""
        return train_split(device)

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train the client's server block, and return the gradients."""
        return train_replica(server)

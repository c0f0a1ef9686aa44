"""EPSL (Lin et al., 2024, arXiv 2303.15991): aggregated last-layer gradients of a share of samples.

The share is the paper's phi. Choices of this implementation: the aggregated gradients are propagated
back at the weighted mean of the activations at the cut; with batches of different sizes, the share is
that of the smallest one of a step; the device blocks are averaged at the end of a round. The paper's
choice of the cut and of radio resources is not part of it.
"""

from math import ceil
from typing import ClassVar

from pydantic import Field

from cutlayer.sim.codecs.codec import EXACT
from cutlayer.sim.compute.stage import NO_WORK
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.multicast import multicast
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.deferred import joint_steps as operations
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.joint_steps import Arrival, Step, follow, transmit_shared
from cutlayer.sim.methods.mergesfl import MergedMethod
from cutlayer.sim.methods.method import AveragingOptions, MethodOptions, Process, Round


class EPSLOptions(AveragingOptions):
    """The share of aggregated samples."""

    share: float = Field(
        0.5,
        ge=0,
        le=1,
        strict=False,
        description="share phi of each client's batch whose last-layer gradients are aggregated",
    )


class EPSL(MergedMethod):
    """One server block steps on all clients' batches, the first samples of which are aggregated.

    The forward pass is on all samples. The last-layer gradients of each client's first samples are
    summed over the clients, so that the backward pass has one row for those of all clients. The gradient
    of these rows goes to all clients in one multicast, that of its other samples to each client by
    itself. The loss is the mean of the clients' losses, weighted by their samples like the device
    blocks. A share of 0 is parallel split learning: one step on all batches, and every client gets the
    gradient of its own loss.
    """

    name = "epsl"
    summary = "one server step for all clients, with a share of the gradients aggregated (EPSL)"
    Options: ClassVar[type[MethodOptions]] = EPSLOptions
    multicasts = True
    reusable = True

    options: EPSLOptions

    def aggregated(self, sizes: tuple[int, ...]) -> int:
        """Return how many rows of each of a step's batches are aggregated: none of a single batch."""
        return ceil(self.options.share * min(sizes) - EXACT) if len(sizes) > 1 else 0

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:
        """Send activations and receive both parts of their gradients; send the block at the end."""
        yield from device.receive_weights()
        for batch in device.batches:
            yield device.send((yield device.forward(batch)))
            rows = self.aggregated(rnd.notes["steps"].sizes(batch.number))
            earlier = []
            if 0 < rows < batch.size:  # the second part refers to the whole gradient
                earlier.append((yield device.receive()))
            gradient = yield device.receive()
            yield device.backward(batch, gradient, *earlier)
        yield from device.send_weights("device")

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Join the step of each batch, the multicast, and return the rest of the gradient."""

        def step(last: ServerEndpoint, arrivals: list[Arrival]) -> Step:
            sizes = tuple(arrival.batch.size for arrival in arrivals)
            rows, classes = self.aggregated(sizes), last.costs.classes
            work = last.server_work.train_aggregated(sum(sizes), len(sizes), rows, classes)
            mean = last.shared_gradient(rows) if rows else None
            own = [last.shared_gradient(size - rows) if size > rows else None for size in sizes]
            for one in arrivals:
                work = last.with_codecs(work, one.payload)
            for message in (mean, *own):
                work += NO_WORK if message is None else last.encoding(message)
            yield last.compute(work, Activity.TRAIN)
            follow(last, arrivals)
            weights, uploads = self.weights(rnd, arrivals), [a.payload for a in arrivals]
            contents = rnd.notes["group"].do(
                len(sizes), operations.aggregated_step, weights, rows, *uploads
            )
            contents = transmit_shared(rnd.notes["group"], self.world.codecs, rows, contents)
            rest = [
                None if message is None else message.holding(content)
                for message, content in zip(own, contents, strict=True)
            ]
            if mean is None:
                return [(None, message) for message in rest]
            parts = [
                mean if message is not None else mean.holding(content)
                for message, content in zip(rest, contents, strict=True)
            ]
            sent = multicast([arrival.server for arrival in arrivals], parts)
            return list(zip(sent, rest, strict=True))

        yield from server.send_weights("device")
        for batch in server.batches:
            upload = yield server.receive()
            arrival = Arrival(server, batch, upload)
            multicast_sent, own = yield from rnd.notes["steps"].join(arrival, step)
            if multicast_sent is not None:
                yield multicast_sent
            if own is not None:
                yield server.send(own)
        yield from server.receive_weights()

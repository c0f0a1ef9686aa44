"""SFL-GA (Liang et al., 2025, arXiv 2501.01078): one multicast of the clients' mean gradient.

Choices of this implementation: with batches of different sizes, row j is the mean over the clients whose
batch has a sample j; the device blocks are averaged at the end of a round. The paper's choice of the cut
and of radio resources is not part of it.
"""

from typing import Any, ClassVar

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.multicast import multicast
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.deferred import joint_steps as operations
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.joint_steps import Arrival, JointMethod, Step, follow, transmit_shared
from cutlayer.sim.methods.method import (
    AveragingOptions,
    MethodOptions,
    Process,
    Round,
    ServerLoad,
)
from cutlayer.sim.methods.splitfed import train_split


class SFLGA(JointMethod):
    """Like SplitFed, but every client gets the mean of the gradients of all, by one multicast.

    Each server replica steps on its own client's batch. The mean is weighted by the clients' samples,
    like that of the weights. A client with fewer batches takes no part in the later steps.
    """

    name = "sfl_ga"
    summary = "like splitfed, with one multicast of the mean gradient of all clients (SFL-GA)"
    Options: ClassVar[type[MethodOptions]] = AveragingOptions
    multicasts = True
    reusable = True

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of the gradients that wait for the others of their step."""
        return FLOAT_BYTES * load.values * sum(cls.server_batches(options, load))

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send activations and receive mean gradients; at the end, send the device block."""
        return train_split(device)

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Train the client's server block on each activation, and join the multicast of gradients."""

        def send_mean(last: ServerEndpoint, arrivals: list[Arrival]) -> Step:
            gradients = [arrival.payload for arrival in arrivals]
            contents: Any = [gradient.content for gradient in gradients]
            sizes = [arrival.batch.size for arrival in arrivals]
            message = last.shared_gradient(max(sizes))
            work = last.encoding(message)
            if len(arrivals) > 1:
                work += last.server_work.mean_gradient(sum(sizes))
            if work.seconds > 0:
                yield last.compute(work, Activity.AGGREGATE)
                follow(last, arrivals)
            if len(arrivals) > 1:
                weights, mean = self.weights(rnd, arrivals), operations.mean_gradient
                contents = rnd.notes["group"].do(len(gradients), mean, weights, *gradients)
            contents = transmit_shared(rnd.notes["group"], self.world.codecs, max(sizes), contents)
            return multicast(
                [arrival.server for arrival in arrivals],
                [message.holding(content) for content in contents],
            )

        server.encodes_gradients = False  # their mean is encoded
        yield from server.send_weights("device")
        for batch in server.batches:
            upload = yield server.receive()
            gradient = yield server.server_step(batch, upload)
            yield (yield from rnd.notes["steps"].join(Arrival(server, batch, gradient), send_mean))
        yield from server.receive_weights()

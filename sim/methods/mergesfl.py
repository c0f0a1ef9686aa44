"""MergeSFL (Liao et al., 2023, arXiv 2311.13348): all clients' activations make one step of the server.

The step and the scaling of the gradients are those of the public code (ymliao98/MergeSFL, 89802ed),
which has no regulation of batch sizes: here, a controller can set them.
"""

from typing import Any, ClassVar

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.deferred import joint_steps as operations
from cutlayer.sim.learning.state_key import SERVER
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.joint_steps import Arrival, JointMethod, Step, follow
from cutlayer.sim.methods.method import (
    AveragingOptions,
    MethodOptions,
    Process,
    Round,
    ServerLoad,
)
from cutlayer.sim.methods.splitfed import train_split


class MergedMethod(JointMethod):
    """A single server block, which steps on the batches of all members together."""

    parts = ("device",)

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return 1: there is a single server block."""
        return 1

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:
        """Return the batch of a step: those of all members together."""
        return [sum(super().server_batches(options, load))]

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of the activations and labels that wait for the others of their step."""
        (samples,) = cls.server_batches(options, load)
        return samples * (FLOAT_BYTES * load.values + load.label_bytes)

    def open_trunk(self, rnd: Round) -> Chain:
        """Open the chain of the server block."""
        block = (SERVER,)
        return self.joint_chain(rnd.index, rnd.participants, reads=block, writes=block, at_end=True)


class MergeSFL(MergedMethod):
    """The server concatenates the activations of all clients and steps its block once on them.

    The loss is the mean over all samples. A client gets its slice of the gradient, multiplied by the
    number of all samples over that of its own: that of the mean loss of its own batch. The device blocks
    are averaged at the end of a round.
    """

    name = "mergesfl"
    summary = "the server block steps once on the activations of all clients together (MergeSFL)"
    Options: ClassVar[type[MethodOptions]] = AveragingOptions
    reusable = True

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send activations and receive their gradients; at the end, send the device block."""
        return train_split(device)

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Join the step of each batch, and return this client's slice of the gradient."""

        def step(last: ServerEndpoint, arrivals: list[Arrival]) -> Step:
            samples = sum(arrival.batch.size for arrival in arrivals)
            work = last.server_work.train(samples)
            if len(arrivals) > 1:
                work += last.server_work.merge(samples)
            for one in arrivals:
                work = one.server.with_codecs(work, one.payload, one.batch)
            yield last.compute(work, Activity.TRAIN)
            follow(last, arrivals)
            uploads = [arrival.payload for arrival in arrivals]
            gradients = rnd.notes["group"].do(len(uploads), operations.merged_step, *uploads)
            return [a.server.gradient(a.batch, g) for a, g in zip(arrivals, gradients, strict=True)]

        yield from server.send_weights("device")
        for batch in server.batches:
            upload = yield server.receive()
            arrival = Arrival(server, batch, upload)
            gradient = yield from rnd.notes["steps"].join(arrival, step)
            yield server.send(gradient)
        yield from server.receive_weights()

"""SMoFi (Yang et al., AAAI 2026, arXiv 2511.09828): the server fuses the momentum of all replicas.

A choice of this implementation is how much a client that has finished counts: the weight of its last
momentum falls with the number of steps since, by a function that is an option.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import simpy
from pydantic import Field

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Batch, TensorRef
from cutlayer.sim.learning.deferred import joint_steps as operations
from cutlayer.sim.learning.recipe import Optimizer
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.joint_steps import Arrival, JointMethod, JointSteps, Step
from cutlayer.sim.methods.method import AveragingOptions, MethodOptions, Process, Round
from cutlayer.sim.methods.splitfed import train_split
from cutlayer.sim.methods.staleness import Polynomial, Staleness


class SMoFiOptions(AveragingOptions):
    """The weight of clients that have finished."""

    staleness: Staleness = Field(
        default_factory=Polynomial,
        description=(
            "weight of the last momentum of a client that has finished, by the steps since:"
            " constant, hinge, polynomial, interval"
        ),
    )


class SMoFi(JointMethod):
    """Like SplitFed, but after each step the momentum buffers of all server replicas become their mean.

    A replica steps with its own momentum and its gradient is sent at once; its next step waits for the
    mean, which needs the steps of all clients. The mean is weighted by the clients' samples, like that
    of the weights; a client that has finished its batches counts with its last momentum and the
    `staleness` weight. With a single client there is nothing to fuse.
    """

    name = "smofi"
    summary = (
        "like splitfed, with the momentum of all server replicas averaged at every step (SMoFi)"
    )
    Options: ClassVar[type[MethodOptions]] = SMoFiOptions
    reusable = True

    options: SMoFiOptions

    @classmethod
    def check_optimizer(cls, options: Any, optimizer: Optimizer) -> str | None:  # noqa: ARG003
        """Return that the optimizer has no momentum buffers to average, if so."""
        if optimizer.name == "sgd" and optimizer.momentum > 0:
            return None
        return "smofi averages momentum buffers: it needs sgd with momentum above 0, such as 0.9"

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send activations and receive their gradients; at the end, send the device block."""
        return train_split(device)

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Train the client's server block with the fused momentum, and return the gradients."""
        group, chain, fusing = rnd.notes["group"], rnd.chains[server.member], None
        yield from server.send_weights("device")
        for batch in server.batches:
            upload = yield server.receive()
            yield from self.wait_for(fusing, server)
            gradient, momentum = group.do_on(chain, 2, operations.step_with_momentum, upload)
            work = server.with_codecs(server.server_work.train(batch.size), upload, batch)
            yield server.compute(work, Activity.TRAIN)
            if len(rnd.participants) > 1:
                fusing = self.fused(server, rnd, batch, momentum)
            yield server.send(server.gradient(batch, gradient))
        yield from self.wait_for(fusing, server)
        yield from server.receive_weights()

    def wait_for(self, fusing: simpy.Event | None, server: ServerEndpoint) -> Process:
        """Wait until the momentum of the last step is fused, if that is still to come."""
        if fusing is not None and not fusing.processed:
            server.last = yield fusing

    def fused(
        self, server: ServerEndpoint, rnd: Round, batch: Batch, momentum: TensorRef | None
    ) -> simpy.Process:
        """Fuse the momentum of a step once all of its members have stepped; the value is the row."""
        beside = ServerEndpoint(self.world, server.client, server.member, rnd.chains[server.member])
        beside.last = server.last
        steps: JointSteps = rnd.notes["steps"]

        def fuse(last: ServerEndpoint, arrivals: Sequence[Arrival]) -> Step:
            members = [arrival.server.member for arrival in arrivals]
            weights = [
                (member, rnd.chains[member].weight * self.weight_after(batch.number - own))
                for member, own in enumerate(steps.latest(batch.number))
                if own >= 0
            ]
            momenta = [arrival.payload for arrival in arrivals]
            group = rnd.notes["group"]
            mean = group.do(len(members), operations.fuse, members, weights, *momenta)
            for member, buffers in zip(members, mean, strict=True):
                rnd.chains[member].do(operations.adopt, buffers)
            parameters = last.costs.parameters["server"]
            work = last.server_work.fuse(parameters, len(weights), len(members))
            yield last.compute(work, Activity.AGGREGATE)
            return [last.last] * len(members)

        return self.world.clock.process(steps.join(Arrival(beside, batch, momentum), fuse))

    def weight_after(self, steps: int) -> float:
        """Return the factor of a client's weight that finished this many steps ago."""
        return self.options.staleness.weight(steps)

"""Centralised training: the server collects all images once, and trains on them."""

from typing import Any

from pydantic import Field

from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.deferred import operations
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.state_key import ALL_CLIENTS, DEVICE
from cutlayer.sim.learning.state_key import SERVER as SERVER_BLOCK
from cutlayer.sim.log.intervals import SERVER, Activity
from cutlayer.sim.methods.method import Method, MethodOptions, Process, Round, ServerLoad


class CentralisedOptions(MethodOptions):
    """Whether collecting the images costs time and bytes."""

    collect_images: bool = Field(
        True, description="round 0: every client sends its raw images once"
    )


class Centralised(Method):
    """A reference, not a federated method: the accuracy with all data in one place.

    A round is `local_epochs` epochs over the samples of all clients.
    """

    name = "centralised"
    summary = "the server trains on the images of all clients (a reference for accuracy)"
    Options = CentralisedOptions
    parts = ("server",)
    sends = ()
    reusable = True

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return 1: there is one server block."""
        return 1

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:  # noqa: ARG003
        """Return the size of one batch, drawn from the samples of all clients."""
        return [min(load.batch_size, sum(load.held))]

    @classmethod
    def cut(cls, cut: int, last: int) -> int:  # noqa: ARG003
        """Return 0: everything is on the server."""
        return 0

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:  # noqa: ARG003
        """Return nothing: collecting the images takes time but does not affect learning."""
        return {}

    def open_round(self, index: int) -> Round:
        """Open one chain; clients take part only in the round in which they send their images."""
        owners = tuple(client.index for client in self.world.fleet.clients if client.samples)
        chain = self.joint_chain(
            index, owners, reads=(DEVICE, SERVER_BLOCK), writes=(SERVER_BLOCK,)
        )
        collecting = index == 0 and self.options.collect_images
        notes = {"joint": chain}
        if not collecting:
            return Round(index, "train", (), (), notes)
        return Round(index, "collect", owners, (chain,) * len(owners), notes)

    def run_round(self, rnd: Round) -> Process:
        """Collect the images in the first round, then train batch after batch."""
        chain = rnd.notes["joint"]
        # The devices do not train, so they do not spend the overhead of a training round.
        members = self.start_members(rnd, self._upload, self._collect, round_overhead=False)
        yield members.done
        trainer = members.server_after_all(0, SERVER, chain)
        for batch in trainer.costs.pooled_batches:
            chain.do(operations.train_whole, ALL_CLIENTS, batch)
            yield trainer.compute(trainer.server_work.train(batch.size), Activity.TRAIN)

    def _upload(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        costs = device.costs
        images = wire.images(
            costs.input_shape, device.client.samples, costs.label, costs.takes_tokens
        )
        yield device.send(images)

    def _collect(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        yield server.receive()

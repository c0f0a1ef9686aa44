"""Ampere (arXiv 2507.07130): the device block first, then the server block on activations sent once."""

from typing import Any, ClassVar

from pydantic import Field

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.codecs.codecs import OF_WEIGHTS
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.fleet import PlannedBatches
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Batch, Chain
from cutlayer.sim.learning.deferred import activation_pool, operations
from cutlayer.sim.learning.state_key import DEVICE, StateKey
from cutlayer.sim.learning.state_key import SERVER as SERVER_BLOCK
from cutlayer.sim.log.intervals import SERVER, Activity
from cutlayer.sim.methods.method import AveragingOptions, MethodOptions, Process, Round, ServerLoad
from cutlayer.sim.methods.split_method import SplitMethod


class AmpereOptions(AveragingOptions):
    """When the second phase begins."""

    first_phase: int = Field(
        1,
        ge=0,
        le=10**9,
        description="rounds in which only device block and auxiliary head are trained",
    )


def pool_of(client: int) -> StateKey:
    """Return the state with the activations of a client."""
    return StateKey("pool", client)


def one_pass(endpoint: ClientEndpoint) -> tuple[Batch, ...]:
    """Return the batches of one pass over a client's data."""
    return tuple(batch for batch in endpoint.batches if batch.epoch == 0)


class Ampere(SplitMethod):
    """FedAvg of device block and auxiliary head, then the server trains alone on a pool of activations.

    In the first `first_phase` rounds ("device") devices train with their own loss and send weights only.
    In the next one ("upload") every client, sampled or not, receives the device block, runs it once
    over its data in evaluation mode, and sends the activations. In this round and all later ones
    ("server") the server block trains for `local_epochs` over the activations of all clients, as
    centralised training does on images; devices do nothing any more.
    """

    name = "ampere"
    summary = "FedAvg of the device block, then all activations once, and the server alone (Ampere)"
    Options: ClassVar[type[MethodOptions]] = AmpereOptions
    parts = ("device", "head", "server")
    needs_both_blocks = True
    sends = ("up", *OF_WEIGHTS)
    reusable = True

    options: AmpereOptions

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return 1: there is one server block."""
        return 1

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:  # noqa: ARG003
        """Return the size of one batch, drawn from the activations of all clients."""
        return [min(load.batch_size, sum(load.trained))]

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of the pool: activation and labels of each sample, once."""
        if load.rounds <= options.first_phase:
            return 0
        return sum(load.trained) * (FLOAT_BYTES * load.values + load.label_bytes)

    @classmethod
    def clients_received(cls, options: Any, load: ServerLoad) -> int:
        """Return all clients after the first phase: each of them sends once."""
        return len(load.held) if load.rounds > options.first_phase else 0

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: the pool is filled only once."""
        return "ampere needs the activations of every client, which are sent only once"

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: one server block trains on all activations."""
        return "ampere trains one server block on all activations, which needs one cut"

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:  # noqa: ARG003
        """Return the participants, which the first phase samples."""
        return frozenset({"participants"})

    @property
    def averaged(self) -> tuple[str, ...]:
        """The parts that the first phase averages."""
        return ("device", "head")

    def chain(self, index: int, client: int, **declared: Any) -> Chain:
        """Open the chain of a client, which sends activations after the first phase only."""
        if index < self.options.first_phase:
            declared["encodes"] = ()
        return super().chain(index, client, **declared)

    def open_round(self, index: int) -> Round:
        """Open the chains of the devices, of the uploads, or of the server alone."""
        if index < self.options.first_phase:
            rnd = super().open_round(index)
            return Round(index, "device", rnd.participants, rnd.chains)
        clients = tuple(self.world.fleet.able)
        pool = tuple(map(pool_of, clients))
        uploads: tuple[Chain, ...] = ()
        if index == self.options.first_phase:
            uploads = tuple(
                self.chain(index, client, reads=(DEVICE,), writes=(pool_of(client),))
                for client in clients
            )
        joint = self.joint_chain(
            index, clients, reads=(SERVER_BLOCK, *pool), writes=(SERVER_BLOCK,)
        )
        round_type, owners = ("upload", clients) if uploads else ("server", ())
        return Round(index, round_type, owners, uploads, {"joint": joint})

    def run_round(self, rnd: Round) -> Process:
        """Run a round of the first phase; or collect activations, if it is due, and train on them."""
        if rnd.round_type == "device":
            yield from super().run_round(rnd)
            return
        members = self.start_members(rnd, self._upload, self._collect)
        yield members.done
        clients = self.world.fleet.able
        pool = tuple(map(pool_of, clients))
        trainer = members.server_after_all(clients[0], SERVER, rnd.notes["joint"])
        for batch in self._batches():
            trainer.chain.do(activation_pool.train_on_pool, batch, pool)
            work = trainer.server_work.train_detached(batch.size)
            yield trainer.compute(work, Activity.TRAIN)

    def _batches(self) -> PlannedBatches:
        """Return the batches of the pool in a round."""
        fleet, recipe = self.world.fleet, self.world.learning.recipe
        shards = [fleet.clients[client].batches for client in fleet.able]
        samples = sum(batch.size for batches in shards for batch in batches if batch.epoch == 0)
        return PlannedBatches(samples, recipe.batch_size, recipe.local_epochs, recipe.min_batch)

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train block and head on every batch, without sending activations."""
        yield from device.receive_weights()
        for batch in device.batches:
            yield device.train_local(batch, uploads=False)
        yield from device.send_weights("device", "head")

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send block and head, and receive them."""
        yield from server.send_weights("device", "head")
        yield from server.receive_weights()

    def _upload(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Receive the device block, and send the activations of all samples."""
        yield from device.receive_weights()
        for batch in one_pass(device):
            activation = yield device.forward_frozen(batch, None)
            yield device.send(activation)

    def _collect(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Send the device block, and store the activations."""
        yield from server.send_weights("device", frozen=True)
        pool = pool_of(server.client.index)
        for _ in one_pass(server):
            upload = yield server.receive()
            yield from server.decode(upload)
            server.chain.do(operations.store_activation, pool, upload)

"""FedGKT (He et al., NeurIPS 2020): device and server distil knowledge from each other's logits."""

from collections.abc import Generator, Sequence
from typing import Any, Literal

import simpy
from pydantic import Field, ValidationInfo, field_validator

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.fields import rule
from cutlayer.sim.codecs.codecs import OF_WEIGHTS
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.payload import Payload
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.aggregation import FEDAVG
from cutlayer.sim.learning.chain import Batch, TensorRef
from cutlayer.sim.learning.deferred import distillation, operations
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.state_key import SERVER, StateKey, shared
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.method import AveragingOptions, Process, Round, ServerLoad
from cutlayer.sim.methods.split_method import SplitMethod
from cutlayer.sim.tasks.task import Task, needs_classes


class FedGKTOptions(AveragingOptions):
    """Two-way distillation, with or without an exchange of weights.

    With `exchange_weights` (as in EcoFed's code: T = 3, alpha = 1) the server has one replica per
    client, and device block, head and server block are averaged. Without it, every client keeps its
    own block and head, and the server trains one block on the features of all clients; with several
    `server_epochs` and `optimizer_state: kept`, this is the original procedure.
    """

    temperature: float = Field(
        3.0, gt=0, allow_inf_nan=False, strict=False, description="softens both logits"
    )
    alpha: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        strict=False,
        description="weight of the device's distillation loss, and of a term of the server's loss",
    )
    server_alpha: Literal["labels", "logits"] = Field(
        "labels",
        description="the term of the server's loss that alpha weighs: KL + alpha CE as in EcoFed's "
        "code, or CE + alpha KL",
    )
    exchange_weights: bool = Field(
        True, description="average the weights too, as EcoFed's code does"
    )
    server_epochs: int = Field(
        1,
        ge=1,
        description="epochs of the server over a round's features; the logits are the last one's",
    )
    optimizer_state: Literal["fresh", "kept"] | None = Field(
        None, description="as in `training`, for this method only; null: that of `training`"
    )

    @field_validator("exchange_weights")
    @classmethod
    def _aggregates(cls, exchange: bool, info: ValidationInfo) -> bool:
        if not exchange and info.data.get("aggregation", FEDAVG) != FEDAVG:
            raise rule("needs aggregation: fedavg when false, since no weights are averaged then")
        return exchange

    @field_validator("server_epochs")
    @classmethod
    def _needs_features(cls, epochs: int, info: ValidationInfo) -> int:
        if epochs > 1 and info.data.get("exchange_weights", False):
            raise rule("needs exchange_weights: false, where the server has all features at once")
        return epochs


def second_pass(endpoint: ClientEndpoint) -> tuple[Batch, ...]:
    """Return the batches of the pass that extracts features: one more pass over the data.

    It follows the local epochs; shuffling and augmentation use the streams of the next epoch.
    """
    epochs = endpoint.batches[-1].epoch + 1 if endpoint.batches else 0
    return tuple(batch._replace(epoch=epochs) for batch in endpoint.batches if batch.epoch == 0)


def logits_of(client: int) -> StateKey:
    """Return the state with the server's logits for a client's samples."""
    return StateKey("logits", client)


def features_of(client: int) -> StateKey:
    """Return the state with the features of a client, if the server trains on all of them."""
    return StateKey("features", client)


class FedGKT(SplitMethod):
    """Local epochs on block and head, then features and logits up, and the server's logits down."""

    name = "fedgkt"
    summary = "an auxiliary head on the device; device and server distil from each other's logits"
    Options = FedGKTOptions
    parts = ("device", "head", "server")
    needs_both_blocks = True
    sends = ("up", *OF_WEIGHTS)
    reusable = True
    untimed = ("device", "head", "logits")  # a client may or may not have its own

    options: FedGKTOptions

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:
        """Return one per participant, or 1 if weights are not exchanged."""
        return participants if options.exchange_weights else 1

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of all features, if the server trains on them together.

        They are sent once a round, after the local epochs.
        """
        if options.exchange_weights:
            return 0
        samples = sum(load.trained[: load.participants])
        return samples * (FLOAT_BYTES * load.values + load.label_bytes)

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Add the source of the batches of the second pass."""
        return super().learning_options(options) | {"second_pass": "an epoch of its own"}

    @classmethod
    def check_task(cls, options: Any, task: Task) -> str | None:  # noqa: ARG003
        """Return a reason if there are no classes, whose scores are distilled."""
        return needs_classes(task, "distils the scores of classes")

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:
        """Return a reason if the server block is shared: it would keep a dropped client's work."""
        if options.exchange_weights:
            return None
        return "fedgkt without exchange_weights trains one server block for all clients"

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:
        """Return everything with an exchange; otherwise one chain trains on the features of all."""
        return super().decided(options) if options.exchange_weights else frozenset({"participants"})

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:
        """Return a reason if the clients share a server block, which has one cut."""
        if options.exchange_weights:
            return None
        return (
            "fedgkt without exchange_weights trains one server block, which needs one cut for all"
        )

    def open_round(self, index: int) -> Round:
        """Open each client's chain; it keeps the server's logits from one round to the next."""
        participants = self.world.fleet.sample(index)
        if not self.options.exchange_weights:
            return self._open_jointly(index, participants)
        chains = tuple(
            self.chain(
                index,
                client,
                reads=(*shared(*self.parts), *self._logits_of(client)),
                averages=shared(*self.parts),
                writes=(logits_of(client),),
            )
            for client in participants
        )
        return Round(index, "train", participants, chains)

    def _logits_of(self, client: int) -> list[StateKey]:
        """Return the state with the server's logits for a client, if there is one yet."""
        key = logits_of(client)
        return [key] if key in self.world.learning.digests else []

    def _open_jointly(self, index: int, participants: tuple[int, ...]) -> Round:
        known = self.world.learning.digests
        chains = []
        for client in participants:
            own = StateKey("device", client), StateKey("head", client)
            latest = [key if key in known else StateKey(key.part) for key in own]
            reads = (*latest, *self._logits_of(client))
            writes = (*own, features_of(client))
            chains.append(self.chain(index, client, reads=reads, writes=writes))
        remembered = [key for client in participants for key in self._logits_of(client)]
        joint = self.joint_chain(
            index,
            participants,
            reads=(SERVER, *map(features_of, participants), *remembered),
            writes=(SERVER, *map(logits_of, participants)),
        )
        return Round(index, "train", participants, tuple(chains), {"joint": joint})

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train locally for all epochs of the round, then send features and receive logits."""
        options, costs = self.options, device.costs
        client, memory = device.client.index, logits_of(device.client.index)
        if options.exchange_weights:
            yield from device.receive_weights()
        for batch in device.batches:
            device.chain.do(
                distillation.train_device, client, batch, memory, options.temperature, options.alpha
            )
            work = device.work.train(batch.size)
            yield device.compute(work, Activity.TRAIN, batch=batch)
        for batch in second_pass(device):
            features = device.chain.do(distillation.features, client, batch)
            sizes = wire.activation_and_logits(costs.activation_shape, batch.size, costs.classes)
            upload = device.transmitted("up", batch, sizes, features)
            if not options.exchange_weights:
                stored = operations.store_activation, features_of(client), upload
                upload = upload.holding(device.chain.do(*stored))
            work = device.work.infer(batch.size)
            yield device.compute(work, Activity.FORWARD, upload, batch=batch)
            yield device.send(upload)
            if options.exchange_weights:
                logits = yield device.receive()
                device.chain.do(distillation.remember, client, batch, memory, logits)
        if options.exchange_weights:
            yield from device.send_weights("device", "head")
        else:
            for _ in second_pass(device):
                yield device.receive()

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train this client's replica on its features, and send the logits of each batch."""
        yield from server.send_weights("device", "head")
        for batch in second_pass(server):
            upload = yield server.receive()
            logits = yield from self._train(server, batch, upload)
            yield server.send(logits)
        yield from server.receive_weights()

    def run_round(self, rnd: Round) -> Process:
        """Run the round; without exchange, train once the features of all members have arrived."""
        if self.options.exchange_weights:
            yield from super().run_round(rnd)
            return
        members = self.start_members(rnd, self.device, self._collect)
        yield members.servers_done
        trainer = members.server_after_all(rnd.participants[0], 0, rnd.notes["joint"])
        epochs = self.options.server_epochs
        for epoch in range(epochs):
            for server in members.servers:
                yield from self._train_for(server, trainer, last=epoch == epochs - 1)
        yield members.done

    def _collect(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        for _ in second_pass(server):
            upload = yield server.receive()
            yield from server.decode(upload)

    def _train_for(self, server: ServerEndpoint, trainer: ServerEndpoint, *, last: bool) -> Process:
        """Train the shared server block on a client's features; send the logits in the last epoch."""
        client, chain = server.client.index, trainer.chain
        trainer.member = server.member
        for batch in second_pass(server):
            upload = chain.do(operations.replay, features_of(client), batch.number)
            logits = yield from self._train(trainer, batch, upload)
            if not last:
                continue
            chain.do(distillation.remember, client, batch, logits_of(client), logits)
            server.last = trainer.last
            server.send(logits)

    def _train(
        self, server: ServerEndpoint, batch: Batch, upload: Payload | TensorRef | None
    ) -> Generator[simpy.Event, Any, Payload]:
        """Train the server block on features; return its logits."""
        options = self.options
        settings = options.temperature, options.alpha, options.server_alpha
        result = server.chain.do(distillation.train_server, upload, *settings)
        work = server.server_work.train_detached(batch.size)
        if isinstance(upload, Payload):
            work = server.with_codecs(work, upload)
        yield server.compute(work, Activity.TRAIN)
        return wire.logits(batch.size, server.costs.classes).holding(result)

    def evaluated(self, rnd: Round) -> Sequence[tuple[StateKey, ...]]:
        """Return the shared model or, without exchange, each member's block with the server's."""
        if self.options.exchange_weights:
            return super().evaluated(rnd)
        return [(StateKey("device", client), SERVER) for client in rnd.participants]

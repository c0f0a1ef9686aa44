"""Local-loss DPFL: an auxiliary head on the device replaces the gradient (Han et al., 2021).

With its options this is a family: CSE-FSL (`cse_fsl`) and FSL-SAGE (`fsl_sage`) are members of it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.fields import Count, rule
from cutlayer.sim.codecs.codecs import OF_WEIGHTS
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.fleet import PlannedBatches
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Batch, Chain
from cutlayer.sim.learning.deferred import auxiliary, operations
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.interleaved import SharedChain
from cutlayer.sim.learning.state_key import HEAD, SERVER, StateKey
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.cluster import Cluster
from cutlayer.sim.methods.method import AveragingOptions, MethodOptions, Process, Round, ServerLoad
from cutlayer.sim.methods.shared_block import CHAINS, STEPS, share_block
from cutlayer.sim.methods.split_method import SplitMethod

# Values with which an option is left out of learning digests.
PLAIN: Final = {"upload_every": 1, "server": "replicas", "auxiliary": "own"}
OF_ALIGNMENT: Final = {"align_every": 10, "align_epochs": 5}  # and their defaults


class LocalLossOptions(AveragingOptions):
    """Which activations are sent, what trains on them, and what trains the auxiliary head."""

    upload_every: Count = Field(
        1, description="batches from one that sends its activation to the next; the first one does"
    )
    server: Literal["replicas", "shared"] = Field(
        "replicas",
        description="a replica of the server block for each client, averaged; or one block, stepped"
        " in the order of arrival: replicas, shared",
    )
    auxiliary: Literal["own", "aligned"] = Field(
        "own",
        description="the auxiliary head trains on its own loss on the device, and is averaged; or the"
        " server aligns one for each client with its own gradients: own, aligned",
    )
    align_every: Count = Field(
        OF_ALIGNMENT["align_every"],
        description="with auxiliary: aligned, rounds from one alignment to the next",
    )
    align_epochs: Count = Field(
        OF_ALIGNMENT["align_epochs"],
        description="with auxiliary: aligned, epochs of an alignment over the stored activations",
    )

    @field_validator(*OF_ALIGNMENT)
    @classmethod
    def _aligns(cls, count: int, info: ValidationInfo) -> int:
        assert info.field_name is not None, "the validator of fields"
        unused = info.data.get("auxiliary") == "own"
        if unused and count != OF_ALIGNMENT[info.field_name]:
            raise rule("has no effect with auxiliary: own; leave it out, or choose aligned")
        return count


PLAIN_OPTIONS: Final = LocalLossOptions()


def family(options: Any) -> LocalLossOptions:
    """Return the options, or those of plain local loss if a user's own method has other ones."""
    return options if isinstance(options, LocalLossOptions) else PLAIN_OPTIONS


def head_of(client: int) -> StateKey:
    """Return the state with a client's aligned auxiliary head."""
    return StateKey("head", client)


class LocalLoss(SplitMethod):
    """The device block trains on its own head's loss; activations go up, no gradients come down.

    With `server: shared` the server block steps in the order of arrival, which is part of the learning
    digest; the steps on the batches of a client that drops out are kept. With `auxiliary: aligned` the
    gradients of the device block come from a head that is not trained on the device. In every
    `align_every`-th round, from round 0 on, the server trains each client's head to give the gradients
    of its own block for the activations that the client has uploaded in this round, and sends it down.
    Until then, a client has the initial head, which is drawn from the seed and not sent.
    """

    name = "local_loss"
    summary = "an auxiliary head trains the device block; activations go up, no gradients come down"
    Options: ClassVar[type[MethodOptions]] = LocalLossOptions
    parts = ("device", "head", "server")
    needs_both_blocks = True
    sends = ("up", *OF_WEIGHTS)
    reusable = True
    untimed = ("head",)  # a client may or may not have its own

    @classmethod
    def cycle(cls, options: Any) -> int:
        """Return the rounds from one alignment to the next."""
        chosen = family(options)
        return chosen.align_every if chosen.auxiliary == "aligned" else 1

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:
        """Return one per participant, or 1 if the server block is shared."""
        return participants if family(options).server == "replicas" else 1

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of activations and labels stored for an alignment, and of its gradients.

        All clients store what they upload in a round; the gradients are those of one of them.
        """
        if family(options).auxiliary == "own":
            return 0
        uploaded = [
            sum(
                batch.size
                for batch in PlannedBatches(samples, load.batch_size, load.epochs, 1)
                if batch.number % family(options).upload_every == 0
            )
            for samples in load.trained[: load.participants]
        ]
        activation = FLOAT_BYTES * load.values
        stored = sum(uploaded) * (activation + load.label_bytes)
        return stored + max(uploaded, default=0) * activation

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning, without those of plain local loss."""
        kept = super().learning_options(options)
        if not isinstance(options, LocalLossOptions):
            return kept
        unused = OF_ALIGNMENT if options.auxiliary == "own" else {}
        return {
            name: value
            for name, value in kept.items()
            if name not in unused and PLAIN.get(name) != value
        }

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:
        """Return a reason if the server block is shared or each client has a head of its own."""
        if family(options).server == "shared":
            return f"{cls.name} with server: shared trains one server block, which needs one cut"
        if family(options).auxiliary == "aligned":
            return f"{cls.name} with auxiliary: aligned aligns all heads at one cut"
        return None

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:
        """Return everything, without cuts if all clients need the same."""
        one_cut = cls.check_mixed_cuts(options) is not None
        return super().decided(options) - ({"cuts"} if one_cut else set())

    @classmethod
    def check_late(cls, options: Any) -> str | None:
        """Return a reason if the clients of a round share one server block, which closes with it."""
        if family(options).server == "replicas":
            return None
        return f"{cls.name} with server: shared trains one server block for the clients of a round"

    @property
    def family(self) -> LocalLossOptions:
        """The options of the family."""
        return family(self.options)

    @property
    def averaged(self) -> tuple[str, ...]:
        """The device block, the head unless it is aligned, the server block unless it is shared."""
        own = {"head"} if self.family.auxiliary == "aligned" else set()
        shared = {"server"} if self.family.server == "shared" else set()
        return tuple(part for part in self.parts if part not in own | shared)

    @property
    def sent(self) -> tuple[str, ...]:
        """The parts that are sent down when a round begins, and up when it ends."""
        return tuple(part for part in self.averaged if part != "server")

    def aligns_in(self, index: int) -> bool:
        """Whether the heads are aligned in a round."""
        return self.family.auxiliary == "aligned" and index % self.family.align_every == 0

    def open_round(self, index: int) -> Round:
        """Open a chain for each client and, if the server block is shared, one for it."""
        rnd = super().open_round(index)
        if self.family.server == "shared" and rnd.participants:
            block = (SERVER,)
            trunk = self.joint_chain(
                index, rnd.participants, reads=block, writes=block, at_end=True
            )
            share_block(self.world, rnd, trunk)
        return rnd

    def open_members(self, index: int, participants: tuple[int, ...], cluster: Cluster) -> Round:
        """Open the clients' chains, which also read and, in some rounds, write heads of their own."""
        averaged, aligns = cluster.states(*self.averaged), self.aligns_in(index)
        chains = tuple(
            self.chain(
                index,
                client,
                reads=(*averaged, *self._own_head(client)),
                averages=averaged,
                writes=(head_of(client),) if aligns else (),
                scheduled_at=cluster.scheduled_at,
            )
            for client in participants
        )
        return Round(index, "align" if aligns else "train", participants, chains)

    def _own_head(self, client: int) -> Sequence[StateKey]:
        """Return the state of a client's aligned head, or of the initial one before its first."""
        if self.family.auxiliary == "own":
            return ()
        own = head_of(client)
        return (own if own in self.world.learning.digests else HEAD,)

    def uploads(self, batch: Batch) -> bool:
        """Whether the activation of a batch is sent."""
        return batch.number % self.family.upload_every == 0

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:
        """Train the block on every batch, and send some activations; receive the head if aligned."""
        aligned = self.family.auxiliary == "aligned"
        yield from device.receive_weights()
        for batch in device.batches:
            uploads = self.uploads(batch)
            activation = yield device.train_local(batch, aligned=aligned, uploads=uploads)
            if uploads:
                yield device.send(activation)
        yield from device.send_weights(*self.sent)
        if self.aligns_in(rnd.index):
            yield from device.receive_weights()

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Train the server block on each activation that arrives, and align the head if it is due."""
        own, aligns = server.chain, self.aligns_in(rnd.index)
        if self.family.server == "shared":
            server.chain = rnd.notes[CHAINS][server.member]
        yield from server.send_weights(*self.sent)
        stored = []
        for batch in filter(self.uploads, server.batches):
            activation = yield server.receive()
            if aligns:
                stored.append(batch)
                activation = activation.holding(own.do(auxiliary.keep_upload, activation))
            if self.family.server == "shared":
                work = server.server_work.train_detached(batch.size)
                work = server.with_codecs(work, activation)
                yield from server.compute_exclusively(rnd.notes[STEPS], work, Activity.TRAIN)
                server.chain.do(operations.server_step_detached, activation)
            else:
                yield server.server_step_detached(batch, activation)
        if aligns:
            yield from self._align(server, own, rnd, stored)
        yield from server.receive_weights()

    def _align(
        self,
        server: ServerEndpoint,
        own: Chain | SharedChain,
        rnd: Round,
        stored: Sequence[Batch],
    ) -> Process:
        """Align the client's head with the gradients of the present server block, and send it.

        `own` is the client's chain, which the server endpoint does not have if the block is shared.
        """
        epochs = self.family.align_epochs
        works = [server.server_work.align(batch.size, epochs) for batch in stored]
        work = sum(works[1:], start=works[0])
        if self.family.server == "shared":
            yield from server.compute_exclusively(rnd.notes[STEPS], work, Activity.TRAIN)
        else:
            yield server.compute(work, Activity.TRAIN)
        uploads = own.do(auxiliary.kept_uploads)
        targets = server.chain.do(auxiliary.server_gradients, uploads)
        own.do(auxiliary.align, targets, epochs)
        yield from server.send_weights("head")

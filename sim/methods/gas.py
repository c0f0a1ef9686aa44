"""GAS, asynchronous split federated learning with generated activations (Yang and Liu, AAAI 2025).

Checked against eejiarong/GAS (9f6e9b2). There, both buffers have as many entries as clients are in
flight, and no client waits for them: the server answers each activation with a gradient at once.
"""

from typing import Any, ClassVar, NamedTuple

import simpy
from pydantic import Field, ValidationInfo, field_validator

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.fields import Count, rule
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.payload import Payload
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.deferred import activation_buffer as operations
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.state_key import ALL_CLIENTS
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.asynchronous import AsyncOptions
from cutlayer.sim.methods.method import MethodOptions, Process, ServerLoad
from cutlayer.sim.methods.run_block import RunBlockMethod
from cutlayer.sim.methods.splitfed import train_split
from cutlayer.sim.methods.update import Update
from cutlayer.sim.tasks.task import Task, needs_classes


class GASOptions(AsyncOptions):
    """The sizes of the two buffers, and the activations that the server adds."""

    activation_buffer: Count | None = Field(
        None,
        description=(
            "activations on which the server block steps together (Q_s);"
            " null: as many as clients in flight"
        ),
    )
    model_buffer: Count | None = Field(
        None,
        description=(
            "device blocks that the server averages together (Q_c); null: as many as clients in flight"
        ),
    )
    generate: bool = Field(
        True,
        description="balance the labels of a step with activations that the server draws",
    )
    samples_per_label: Count | None = Field(
        None,
        description="with `generate`, classes times this is the batch of a step; null: batch_size",
    )
    logit_adjustment: bool = Field(
        True,
        description="add the log share of each label in the client's data to the logits of its loss",
    )

    @field_validator("samples_per_label")
    @classmethod
    def _generates(cls, count: int | None, info: ValidationInfo) -> int | None:
        if count is not None and not info.data.get("generate", True):
            raise rule("has no effect with generate: false; leave it out")
        return count


class BufferedActivation(NamedTuple):
    """An activation in the buffer: its client, size, progress n, and tensors."""

    client: int
    size: int
    progress: int
    upload: Payload


class GAS(RunBlockMethod):
    """SplitFed without barriers: one server block, which steps on a buffer of activations.

    An activation is answered at once with its gradient, from the current server block, and joins the
    buffer. Once the buffer is full, the server block steps once on all of it and, with `generate`,
    on activations drawn from Gaussians, so that all labels have equal shares. A client whose device
    block has arrived is replaced at once; the blocks are averaged when the model buffer is full.

    The server block and its optimizer live as long as the run; the learning rate follows the schedule
    by version. Its steps and gradients never overlap, however many slots the server has. Their order is
    part of the learning digest.
    """

    name = "gas"
    summary = "asynchronous splitfed: the server block steps on a buffer of activations (GAS)"
    Options: ClassVar[type[MethodOptions]] = GASOptions
    parts = ("device",)

    options: GASOptions

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.activation_buffer = options.activation_buffer or self.in_flight
        self.model_buffer = options.model_buffer or self.in_flight
        self.activations: list[BufferedActivation] = []
        self.models: list[Update] = []
        self.steps = 0
        self.block = simpy.Resource(world.clock)
        self.balanced: int | None = None
        self.recipe = world.learning.recipe
        if options.generate:
            each = options.samples_per_label or self.recipe.batch_size
            self.balanced = self.recipe.classes * each

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:
        """Return the batch of a step."""
        if options.generate:
            return [load.classes * (options.samples_per_label or load.batch_size)]
        return [_buffered(options, load)]

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of the activation buffer and of each label's mean, variance and weight."""
        each = FLOAT_BYTES * load.values + load.label_bytes
        gaussians = load.classes * FLOAT_BYTES * (2 * load.values + 1) if options.generate else 0
        return _buffered(options, load) * each + gaussians

    @classmethod
    def check_task(cls, options: Any, task: Task) -> str | None:
        """Return a reason if an option is about the classes of labels, and there are none."""
        if options.generate:
            return needs_classes(task, "draws activations for each class (generate)")
        if options.logit_adjustment:
            return needs_classes(task, "adjusts the scores of classes (logit_adjustment)")
        return None

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning; the order has the buffers' contents."""
        kept = super().learning_options(options)
        sizes = ("activation_buffer", "model_buffer")
        return {name: value for name, value in kept.items() if name not in sizes}

    def device(self, device: DeviceEndpoint, update: Update) -> Process:  # noqa: ARG002
        """Send activations and receive their gradients; at the end, send the device block."""
        return train_split(device)

    def server(self, server: ServerEndpoint, update: Update) -> Process:
        """Answer each activation with its gradient, and put it into the buffer."""
        self.group.join(update.chain)
        began = self.steps
        trains = server.costs.parameters["device"] > 0
        yield from server.send_weights("device")
        for batch in server.batches:
            upload = yield server.receive()
            if trains:
                work = server.server_work.gradient(batch.size)
                work = server.with_codecs(work, upload, batch)
                yield from server.compute_exclusively(self.block, work, Activity.BACKWARD)
                gradient, upload = self.gradient(server, batch, upload)
            self.keep(server, update, batch, began, upload)
            if trains:
                yield server.send(gradient)
        yield from server.receive_weights()

    def gradient(
        self, server: ServerEndpoint, batch: Batch, upload: Payload
    ) -> tuple[Payload, Payload]:
        """Return the gradient of an activation under the present server block, and the activation."""
        client, adjusts = server.client.index, self.options.logit_adjustment
        self.group.record_order(client)
        gradient, kept = self.group.do(2, operations.gradient, client, upload, adjusts)
        return server.gradient(batch, gradient), upload.holding(kept)

    def keep(
        self,
        server: ServerEndpoint,
        update: Update,
        batch: Batch,
        began: int,
        upload: Payload,
    ) -> None:
        """Put an activation into the buffer; if it is full, begin a step.

        Its progress n counts the steps before its client's dispatch, and the client's batches after it.
        """
        progress = began + batch.number + 1
        self.activations.append(BufferedActivation(update.client, batch.size, progress, upload))
        if len(self.activations) == self.activation_buffer:
            arrived, self.activations = self.activations, []
            stepping = ServerEndpoint(self.world, server.client, server.member, update.chain)
            stepping.last = server.last
            self.world.clock.process(self.step(stepping, arrived))

    def step(self, server: ServerEndpoint, arrived: list[BufferedActivation]) -> Process:
        """Step the server block once on activations of the buffer and, if set, generated ones."""
        received = sum(one.size for one in arrived)
        if self.balanced is None:
            work = server.server_work.train_detached(received)
        else:
            work = server.server_work.generate(received, self.balanced)
            work += server.server_work.train_detached(self.balanced)
        yield from server.compute_exclusively(self.block, work, Activity.TRAIN)
        self.steps += 1
        progress = tuple(one.progress for one in arrived)
        members = (number for one in arrived for number in (one.client, one.progress))
        self.group.record_order(ALL_CLIENTS, self.version, *members)
        rate = self.recipe.rate(self.version)
        uploads = (one.upload for one in arrived)
        self.group.do(0, operations.step_on_buffer, rate, progress, self.balanced, *uploads)

    def arrived(self, update: Update) -> Process:
        """Keep the device block; if the buffer is full, average the blocks in it."""
        self.models.append(update)
        if len(self.models) < self.model_buffer:
            return
        updates, self.models = self.models, []
        yield self.aggregate(updates)
        self.fold(updates, weights=[u.chain.weight * self.staleness_weight(u) for u in updates])
        self.publish_at_close()


def _buffered(options: GASOptions, load: ServerLoad) -> int:
    """Return the number of samples that the activation buffer holds at most."""
    count = options.activation_buffer or options.in_flight or load.participants
    return count * min(load.batch_size, load.held[0])

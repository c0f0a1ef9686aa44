"""EcoFed (Wu et al., IEEE TPDS 35(3), 2024; arXiv 2304.05495): frozen block, 8 bits, replay buffer.

The device block starts from pre-trained weights and is never trained, so no gradients are sent down and
no weights are sent up. Activations are quantised and uploaded once in `period` rounds; the server keeps
them in a replay buffer. In the rounds in between, the server trains on the buffers of clients drawn from
those that have one; their devices send a control message for each batch, as in the public code.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.models.quantise_cost import packed_bytes
from cutlayer.sim.codecs.codec import Codec
from cutlayer.sim.codecs.codecs import Direction
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.state_key import DEVICE, StateKey
from cutlayer.sim.methods.cluster import Cluster
from cutlayer.sim.methods.edge_options import SplitEdgesOptions
from cutlayer.sim.methods.edges import EdgeMethod
from cutlayer.sim.methods.method import Process, Round, ServerLoad


class EcoFedOptions(SplitEdgesOptions):
    """EcoFed's three parts, each of which can be disabled, and the differences between its versions.

    `download_device_block` and `upload_when_unbuffered` give the first two preprints instead of the
    journal version: the block is sent down in every round, and a client without a buffer that is
    drawn in a replay round uploads.
    """

    period: int = Field(2, ge=1, description="rounds from one upload to the next; 1: no replay")
    bits: int | None = Field(8, ge=2, le=16, description="bits per activation; null: fp32")
    init: Literal["random", "partial", "holistic"] = Field(
        "partial",
        description="random frozen block, pre-trained device block, or pre-trained feature extractor",
    )
    download_device_block: bool = Field(False, description="send the device block down each round")
    upload_when_unbuffered: bool = Field(
        False,
        description="in replay rounds, clients without a buffer upload instead of sitting out",
    )
    control_messages: bool = Field(
        True, description="in replay rounds, devices load and announce each batch"
    )


def buffer_of(client: int) -> StateKey:
    """Return the state with a client's replay buffer."""
    return StateKey("buffer", client)


class EcoFed(EdgeMethod):
    """Clients upload in every `period`-th round; only the server block is trained, also in between."""

    name = "ecofed"
    summary = "frozen pre-trained device block, quantised activations, replay buffer on the server"
    Options = EcoFedOptions
    parts = ("server",)
    needs_both_blocks = True
    freezes_device = True
    sends = ("up", "weights_down")
    reusable = True
    untimed = ("_buffered", "fresh")

    options: EcoFedOptions

    def __init__(self, world: World, options: EcoFedOptions) -> None:
        super().__init__(world, options)
        self._buffered: dict[int, int] = {}  # the cuts of the clients' buffers

    @classmethod
    def cycle(cls, options: Any) -> int:
        """Return the period."""
        period: int = options.period
        return period

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:
        """Return all but batch sizes: buffered batches have the size with which they were sent."""
        return super().decided(options) - {"batch_sizes"}

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of the replay buffers: received activations and labels of all local epochs.

        The number of buffers is limited by the clients that can have uploaded by the end of the run.
        """
        if options.period == 1:
            return 0
        bits, rounds = options.bits, load.rounds
        each = packed_bytes(load.values, bits) if bits else FLOAT_BYTES * load.values
        uploads = rounds if options.upload_when_unbuffered else -(-rounds // options.period)
        samples = sum(load.trained[: uploads * load.participants])
        return load.epochs * samples * (each + load.label_bytes)

    @classmethod
    def directions(cls, options: Any) -> tuple[Direction, ...]:
        """Return activations and, if clients download the device block, weights."""
        return cls.sends if options.download_device_block else ("up",)

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options without those that only cost time and bytes."""
        chosen = {"period", "bits", "aggregation", "edge_rounds"}
        kept = {k: v for k, v in super().learning_options(options).items() if k in chosen}
        return kept | {"init": options.init}

    @classmethod
    def quantises(cls, options: Any) -> bool:
        """Return whether activations have fewer bits than 32."""
        return options.bits is not None

    @classmethod
    def check_codec(cls, options: Any, direction: Direction, codec: Codec) -> str | None:  # noqa: ARG003
        """Return that the method's own quantiser would come before the codec, or None without it."""
        if not cls.quantises(options) or direction != "up":
            return None
        return "quantises activations itself: give it bits: null to use codec.up"

    def _uploads_in(self, index: int) -> bool:
        """Whether a round is an upload round: by the period, or for lack of anything to replay."""
        return index % self.options.period == 0 or not any(map(self._usable, self._buffered))

    def _usable(self, client: int) -> bool:
        """Whether a client has a buffer of its current cut; buffers of other cuts cannot be replayed."""
        return self._buffered.get(client) == self.world.fleet.cuts[client]

    def sent_to_edges(self) -> tuple[str, ...]:
        """Return the server block if edge nodes have it, and the device block if clients receive it."""
        parts = super().sent_to_edges()
        return (*parts, "device") if parts and self.options.download_device_block else parts

    def round_type(self, number: int) -> str:
        """Return whether clients upload in an edge round."""
        return "upload" if self._uploads_in(number) else "replay"

    def eligible(self, index: int) -> Sequence[int]:
        """Return, for a replay round, the clients that have a buffer on the server."""
        if self._uploads_in(self.edge_rounds(index)[0]) or self.options.upload_when_unbuffered:
            return super().eligible(index)
        return sorted(filter(self._usable, self._buffered))

    def draw(self, index: int) -> tuple[int, ...]:
        """Return the clients of a round; those of a replay round have a buffer."""
        return self.world.fleet.sample(index, among=self.eligible(index))

    def open_members(self, index: int, participants: tuple[int, ...], cluster: Cluster) -> Round:
        """Choose an upload or a replay round, and for each participant whether it uploads."""
        upload_round = self._uploads_in(index)
        usable = set(filter(self._usable, participants))
        uploads = tuple(upload_round or client not in usable for client in participants)
        server = cluster.states("server")
        chains = tuple(
            self.chain(
                index,
                client,
                reads=(DEVICE, *server) if uploading else (*server, buffer_of(client)),
                averages=server,
                writes=(buffer_of(client),) if uploading else (),
                scheduled_at=cluster.scheduled_at,
                encodes=(client,) if uploading else (),
            )
            for client, uploading in zip(participants, uploads, strict=True)
        )
        notes = {"uploads": uploads, "fresh": set(participants) - usable}
        self._buffered |= {client: self.world.fleet.cuts[client] for client in participants}
        round_type = "upload" if upload_round else "replay"
        return Round(index, round_type, participants, chains, notes)

    def drop(self, rnd: Round, member: int) -> None:
        """Discard the buffer that the client had begun to fill; an older one stays."""
        super().drop(rnd, member)
        client = rnd.participants[member]
        if client in rnd.notes["fresh"]:
            self._buffered.pop(client, None)

    def _uploads(self, endpoint: ClientEndpoint, rnd: Round) -> bool:
        """Whether the client of an endpoint uploads in this round."""
        uploads: bool = rnd.notes["uploads"][rnd.participants.index(endpoint.client.index)]
        return uploads

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:
        """Upload a quantised activation per batch, or only announce the batches to be replayed."""
        if self.options.download_device_block:
            yield from device.receive_weights()
        if self._uploads(device, rnd):
            for batch in device.batches:
                activation = yield device.forward_frozen(batch, self.options.bits)
                yield device.send(activation)
        elif self.options.control_messages:
            for batch in device.batches:
                yield device.load(batch)
                yield device.send(wire.control())

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Train on the activations that arrive and store them, or train on the stored ones."""
        buffer = buffer_of(server.client.index)
        if self.options.download_device_block:
            yield from server.send_weights("device", frozen=True)
        if self._uploads(server, rnd):
            for batch in server.batches:
                activation = yield server.receive()
                yield server.server_step_detached(batch, server.store(buffer, activation))
        else:
            for batch in server.batches:
                if self.options.control_messages:
                    yield server.receive()
                entry = server.replay(buffer, batch, self.options.bits)
                yield server.server_step_detached(batch, entry)

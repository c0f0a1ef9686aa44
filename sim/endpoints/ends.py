"""The ends of a client's connections in a round, and of those between edge nodes and the server."""

from typing import Any

import simpy

from cutlayer.sim.codecs.codecs import Coding, Direction
from cutlayer.sim.compute.stage import Work
from cutlayer.sim.compute.work import CodecWork
from cutlayer.sim.endpoints.endpoint import Endpoint
from cutlayer.sim.endpoints.fleet import Client
from cutlayer.sim.endpoints.nodes import Channel, Node
from cutlayer.sim.endpoints.payload import Payload, encoded, encoded_weights
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Batch, Chain, TensorRef
from cutlayer.sim.learning.deferred import codec_operations
from cutlayer.sim.learning.interleaved import SharedChain
from cutlayer.sim.learning.state_key import cache_of
from cutlayer.sim.log.intervals import Activity, Phase

Process = simpy.events.ProcessGenerator


class ClientEndpoint(Endpoint):
    """One end of a client's round, with the client's device at one end and `node` at the other.

    `node` has the client's replicas. Weights are exchanged with `averaging_node`, by default the same
    node. `cut` is the client's in this round; `costs` and `work` (of its device) are those at this cut.
    """

    def __init__(
        self,
        world: World,
        client: Client,
        member: int,
        chain: Chain,
        node: Node | None = None,
        averaging_node: Node | None = None,
    ) -> None:
        self.client = client
        self.member = member
        self.chain: Chain | SharedChain = chain
        self.local = False  # whether its client is the node itself, so that nothing is sent
        self._own_chain = chain  # its client's, also if `chain` becomes another one
        self._first_epochs: dict[Direction, int] = {}
        self.cut = world.fleet.cuts[client.index]
        self.costs = world.costs[self.cut]
        self.work = client.works[self.cut]
        self.node = world.server_node if node is None else node
        super().__init__(world, self._channel(world, self.node))
        self._channels: tuple[Channel, ...] = (self.channel,)
        if averaging_node is not None and averaging_node is not self.node:
            self._channels += (self._channel(world, averaging_node),)

    def _channel(self, world: World, node: Node) -> Channel:
        client, index = self.client.index, self.chain.round_index
        if self.phase == Phase.UPLINK:
            return world.channel(client, node.number, index, actor=self.member)
        return world.channel(node.number, client, index, peer=self.member)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels on which it sends."""
        return self._channels

    def channel_of(self, message: Payload) -> Channel:
        """Return the channel on which a message is sent."""
        return self._channels[-1] if message.activity == Activity.WEIGHTS else self.channel

    @property
    def own_work(self) -> CodecWork:
        """The work of encoding and decoding at this end."""
        raise NotImplementedError

    def compute(self, work: Work, activity: Activity, value: Any = None) -> simpy.Event:
        """Compute `work` at this end; the event's value is `value`."""
        raise NotImplementedError

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of this client's round, over all local epochs."""
        return self.world.fleet.batches(self.client.index)

    def transmitted(
        self, direction: Direction, batch: Batch, payload: Payload, content: TensorRef | None
    ) -> Payload:
        """Return an activation (up) or gradient (down) with its content as the codec sends it.

        The content becomes what the receiver will decode. Without a codec nothing changes.
        """
        coding = self.coding(direction, batch)
        if coding is None:
            return payload.holding(content)
        if content is not None:
            codec = self.world.codecs.of(direction)
            assert codec is not None, "a coding has a codec"
            client, chain = self.client.index, self._own_chain
            key = cache_of(direction, client, chain.cut) if codec.cached != "nothing" else None
            full = self._in_full(direction, batch)
            content = chain.do(
                codec_operations.transmit,
                direction,
                codec.spec,
                key,
                client,
                batch,
                full,
                content,
            )
        return encoded(payload, coding).holding(content)

    def coding(self, direction: Direction, batch: Batch) -> Coding | None:
        """Return how the activation or gradient of a batch is encoded; None without a codec."""
        codecs = self.world.codecs
        if codecs.of(direction) is None or self.local:
            return None
        shape = self.costs.activation_shape
        return codecs.coding(direction, shape, batch.size, self._in_full(direction, batch))

    def _in_full(self, direction: Direction, batch: Batch) -> bool:
        """Whether a codec that sends changes sends values in full: in a client's first epoch.

        A gradient is sent in full as well if the codec sends the values that the upload kept.
        """
        codec = self.world.codecs.of(direction)
        if codec is not None and codec.name == "kept":
            return self._in_full("up", batch)
        if codec is None or codec.cached != "both":
            return False
        chain, first = self._own_chain, self._first_epochs.setdefault(direction, batch.epoch)
        return batch.epoch == first and (
            cache_of(direction, self.client.index, chain.cut) not in chain.reads
        )

    def send_weights(self, *parts: str, frozen: bool = False) -> Process:
        """Send the weights and buffers (BatchNorm's statistics) of these parts.

        If the scenario has a codec for weights, the parameters of these parts become what the receiver
        will decode; `frozen` says that the parts are not trained.
        """
        payload, codecs = self.costs.weights(*parts), self.world.codecs
        direction: Direction = "weights_up" if self.phase == Phase.UPLINK else "weights_down"
        codec = codecs.of(direction)
        if codec is not None:
            coding = codecs.coding_of_weights(direction, *self.costs.sent_parameters(*parts))
            transmit = codec_operations.transmit_weights
            self._own_chain.do(transmit, codec.spec, parts, frozen)
            yield self.compute(self.own_work.encoding(coding), Activity.LOAD)
            payload = encoded_weights(payload, coding)
        yield self.send(payload)

    def receive_weights(self) -> Process:
        """Receive weights, and decode them if they are encoded."""
        message = yield self.receive()
        if message.coding is not None:
            yield self.compute(self.own_work.decoding(message.coding), Activity.LOAD)

    def after_download(self, frozen: Payload, process: Process) -> Process:
        """Run the process of this end after the client has downloaded the frozen tensors."""
        if self.phase == Phase.UPLINK:
            yield self.receive()
            self.world.downloaded[self.client.index] = self.cut
        else:
            yield self.send(frozen)
        yield from process


class NodeEndpoint(Endpoint):
    """One end of the connection between an edge node and the server."""

    def __init__(self, world: World, source: Node, target: Node, round_index: int) -> None:
        upwards = source.number < target.number  # the server has the largest number
        self.phase = Phase.UPLINK if upwards else Phase.DOWNLINK
        super().__init__(world, world.channel(source.number, target.number, round_index))

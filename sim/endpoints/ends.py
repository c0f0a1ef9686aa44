"""The ends of a client's connections in a round, and of those between edge nodes and the server."""

from cutlayer.sim.endpoints.endpoint import Endpoint
from cutlayer.sim.endpoints.fleet import Client
from cutlayer.sim.endpoints.nodes import Line, Node
from cutlayer.sim.endpoints.payload import Payload
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Batch, Chain
from cutlayer.sim.learning.interleaved import Turns
from cutlayer.sim.log.intervals import Activity, Phase


class ClientEndpoint(Endpoint):
    """One end of a client's round, with the client's device at one end and `node` at the other.

    `node` has the client's replicas. Weights travel between the device and `averages_at`, the node that
    averages them: the same one by default. `cut` is the client's in this round; `costs` and `work` (of
    its device) are those at this cut.
    """

    def __init__(
        self,
        world: World,
        client: Client,
        member: int,
        chain: Chain,
        node: Node | None = None,
        averages_at: Node | None = None,
    ) -> None:
        self.client = client
        self.member = member
        self.chain: Chain | Turns = chain
        self.cut = world.fleet.cuts[client.index]
        self.costs = world.costs[self.cut]
        self.work = client.works[self.cut]
        self.node = world.server_node if node is None else node
        super().__init__(world, self._line(world, self.node))
        self._lines: tuple[Line, ...] = (self.line,)
        if averages_at is not None and averages_at is not self.node:
            self._lines += (self._line(world, averages_at),)

    def _line(self, world: World, node: Node) -> Line:
        client, index = self.client.index, self.chain.round_index
        if self.phase == Phase.UPLINK:
            return world.line(client, node.number, index, here=self.member)
        return world.line(node.number, client, index, there=self.member)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines on which it sends."""
        return self._lines

    def line_of(self, message: Payload) -> Line:
        """Return the line on which a message is sent."""
        return self._lines[-1] if message.activity == Activity.WEIGHTS else self.line

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of this client's round, over all local epochs."""
        return self.world.fleet.batches(self.client.index)

    def weights(self, *parts: str) -> Payload:
        """Return the weights and buffers (BatchNorm's statistics) of these parts."""
        return self.costs.weights(*parts)


class NodeEndpoint(Endpoint):
    """One end of the connection between an edge node and the server."""

    def __init__(self, world: World, source: Node, target: Node, round_index: int) -> None:
        upwards = source.number < target.number  # the server has the largest number
        self.phase = Phase.UPLINK if upwards else Phase.DOWNLINK
        super().__init__(world, world.line(source.number, target.number, round_index))

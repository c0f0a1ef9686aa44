"""Hierarchical aggregation: edge nodes average their clients, and the server averages the edge nodes.

HierFAVG (Liu et al., "Client-Edge-Cloud Hierarchical Federated Learning", IEEE ICC 2020, Algorithm 1):
clients train `training.local_epochs` (k1) between two aggregations of their edge node, which is the
first node with a device on their way to the server; after `rounds` (k2) of these the server averages
the edge nodes, weighted by the samples of their clients, and sends them the result when the next round
begins. Edge nodes do not wait for each other within a round, which is one aggregation of the server.
"""

from collections.abc import Iterator
from typing import Any

import simpy

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.endpoints.ends import NodeEndpoint
from cutlayer.sim.endpoints.nodes import Node, NodeType
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.aggregation import FEDAVG
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.log.intervals import NO_CAUSE, Activity
from cutlayer.sim.methods.cluster import Cluster
from cutlayer.sim.methods.edge_options import Edges
from cutlayer.sim.methods.members import Members, no_work
from cutlayer.sim.methods.method import Process, Round
from cutlayer.sim.methods.peers import train_own_shard
from cutlayer.sim.methods.split_method import SplitMethod


class EdgeMethod(SplitMethod):
    """A split method whose clients train with the server or, with the option `edges`, with edge nodes.

    An edge round is a round of the method with the edge node's clients. With `server_block: server`, the
    server keeps a server block for each edge node, and only the weights that clients send are averaged
    at the edge node.
    """

    @classmethod
    def edges_of(cls, options: Any) -> Edges | None:
        """Return the option `edges`."""
        edges: Edges | None = getattr(options, "edges", None)
        return edges

    @classmethod
    def at_edges(cls, options: Any) -> tuple[str, ...]:
        """Return the parts that edge nodes average, and exchange with the server."""
        edges = cls.edges_of(options)
        if getattr(edges, "peers", None) or getattr(edges, "server_block", "edge") == "edge":
            return cls.parts
        return tuple(part for part in cls.parts if part != "server")

    @classmethod
    def node_types(cls, options: Any) -> tuple[NodeType, ...]:
        """Return the types of nodes to which clients send: server, edge, or both."""
        if cls.edges_of(options) is None:
            return ("server",)
        all_parts = cls.at_edges(options) == cls.parts
        return ("edge",) if all_parts else ("edge", "server")

    @classmethod
    def check_closing(cls, options: Any) -> str | None:
        """Return why a round cannot be closed early, or None if it can."""
        if cls.edges_of(options) is not None:
            return f"{cls.name} with edges waits for every client of an edge node"
        return super().check_closing(options)

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:
        """Return why clients cannot have different cuts, or None if they can."""
        if cls.edges_of(options) is not None:
            return f"{cls.name} with edges needs one cut for all clients"
        return super().check_mixed_cuts(options)

    def sent_to_edges(self) -> tuple[str, ...]:
        """Return the parts that the server sends to edge nodes when a round begins."""
        return self.at_edges(self.options)

    def edge_rounds(self, index: int) -> range:
        """Return the numbers of the edge rounds of a round, counted over the run."""
        edges = self.edges_of(self.options)
        count = 1 if edges is None else edges.rounds
        return range(index * count, (index + 1) * count)

    def round_type(self, number: int) -> str:  # noqa: ARG002
        """Return the type of a round that begins with this edge round."""
        return "train"

    def open_round(self, index: int) -> Round:
        """Choose the clients; edge nodes open their chains when their edge rounds begin."""
        if self.edges_of(self.options) is None:
            return super().open_round(index)
        round_type = self.round_type(self.edge_rounds(index)[0])
        return Round(index, round_type, self.draw(index), ())

    def run_round(self, rnd: Round) -> Process:
        """Run the edge rounds of every edge node, and average the edge nodes at the server."""
        if self.edges_of(self.options) is None:
            yield from super().run_round(rnd)
            return
        world, ended = self.world, list[EdgeRun]()
        behind: dict[int | None, list[int]] = {}
        for member, client in enumerate(rnd.participants):
            behind.setdefault(world.fleet.clients[client].edge, []).append(member)
        runs = [
            EdgeRun(self, rnd, node, behind[node.number], ended)
            for node in world.nodes.values()
            if node.number in behind
        ]
        yield world.clock.all_of([world.clock.process(run.run()) for run in runs])
        trained = [run for run in runs if run.weight]
        if trained:
            yield from ended[-1].average(self.parts, len(trained), world.server_node, closes=True)
            weights = [run.weight for run in trained]
            for part in self.parts:
                states = [StateKey(part, run.node.name) for run in trained]
                world.learning.merge(StateKey(part), states, weights)
        world.learning.forget(StateKey(part, run.node.name) for run in runs for part in self.parts)


class EdgeRun:
    """The part of one edge node in a round, for its `members`; at its end it joins `ended`.

    `weight` is the sum of the weights of the members that it averaged last, 0 if it averaged none.
    `last` is the row of its latest interval, `last_member` the last member of its latest edge round.
    """

    def __init__(
        self,
        method: EdgeMethod,
        rnd: Round,
        node: Node,
        members: list[int],
        ended: list["EdgeRun"],
    ) -> None:
        self.method = method
        self.rnd = rnd
        self.node = node
        self.members = members
        self.weight = 0.0
        self.last = NO_CAUSE
        self.last_member = 0
        self._ended = ended
        self._latest: Round

    def run(self) -> Process:
        """Receive the weights, play the edge rounds, and send the weights to the server."""
        method, world, index = self.method, self.method.world, self.rnd.index
        parts, server = method.at_edges(method.options), world.server_node
        numbers = method.edge_rounds(index)
        down = NodeEndpoint(world, server, self.node, numbers[0])
        up = NodeEndpoint(world, self.node, server, numbers[0])
        down.peer, up.peer = up, down
        yield from self._carry(down, up, method.sent_to_edges())
        for part in method.parts:
            world.learning.assign(StateKey(part, self.node.name), StateKey(part))
        for number in numbers:
            staying = [member for member in self.members if member not in self.rnd.dropped]
            if not staying:
                break
            yield from self._edge_round(number, staying)
        if self.weight:
            yield from self._carry(up, down, parts)
        self._ended.append(self)

    def _carry(
        self, sender: NodeEndpoint, receiver: NodeEndpoint, parts: tuple[str, ...]
    ) -> Process:
        """Send the weights of these parts, if there are any, and wait until they have arrived."""
        world = self.method.world
        message = world.costs[world.fleet.cuts[self.rnd.participants[0]]].weights(*parts)
        if message.payload_bytes:
            sender.last = self.last
            arrived = receiver.receive()
            yield sender.send(message)
            yield arrived
            self.last = receiver.last

    def _edge_round(self, number: int, members: list[int]) -> Process:
        """Play an edge round of these members, and average those that did not drop out."""
        method, world, rnd = self.method, self.method.world, self.rnd
        cluster = Cluster(self.node.name, rnd.index)
        clients = tuple(rnd.participants[member] for member in members)
        opened = self._latest = method.open_members(number, clients, cluster)

        def drop(member: int) -> None:
            method.drop(opened, members.index(member))
            rnd.dropped.append(member)

        parts = method.at_edges(method.options)
        all_parts = parts == method.parts
        playing = Members(world, drop)
        for member, client, chain in zip(members, clients, opened.chains, strict=True):
            of_peer = world.fleet.clients[client].name == self.node.name
            playing.start(
                client,
                chain,
                (lambda _: no_work()) if of_peer else lambda device: method.device(device, opened),
                train_own_shard if of_peer else lambda server: method.server(server, opened),
                round_overhead=not of_peer,
                after=self.last,
                member=member,
                node=self.node if all_parts else world.server_node,
                averaging_node=self.node if parts else None,
            )
        yield playing.done
        for device in playing.devices:
            device.done = True  # a client that goes offline later drops out of a later edge round
        self.last, self.last_member = playing.last, playing.last_member
        kept = [chain for i, chain in enumerate(opened.chains) if i not in opened.dropped]
        if kept:
            self.weight = float(sum(chain.weight for chain in kept))
            yield from self._average_members(len(kept))
            world.learning.fold(kept, FEDAVG)

    def _average_members(self, count: int) -> Process:
        """Average the members' parts, each at the node that has it: the edge node or the server."""
        method, world = self.method, self.method.world
        at_edge = method.at_edges(method.options)
        at_server = tuple(part for part in method.parts if part not in at_edge)
        nodes = [(at_edge, self.node), (at_server, world.server_node)]
        jobs = [job for parts, node in nodes for job in self._job(parts, count, node)]
        if jobs:
            yield world.clock.all_of([done for _, done in jobs])
            self.last = max((job for job, _ in jobs), key=lambda job: job.busy_until).last

    def average(self, parts: tuple[str, ...], count: int, node: Node, *, closes: bool) -> Process:
        """Average `count` copies of these parts at a node; with `closes`, as the server in a round."""
        for job, done in self._job(parts, count, node, closes=closes):
            yield done
            self.last = job.last

    def _job(
        self, parts: tuple[str, ...], count: int, node: Node, *, closes: bool = False
    ) -> Iterator[tuple[ServerEndpoint, simpy.Event]]:
        """Submit the job of averaging, if there is any work; yield its endpoint and event."""
        method, world = self.method, self.method.world
        client = self.rnd.participants[self.last_member]
        chain = self._latest.chains[0]
        job = ServerEndpoint(world, world.fleet.clients[client], self.last_member, chain, node)
        job.last = self.last
        if values := job.costs.weights(*parts).payload_bytes // FLOAT_BYTES:
            work = job.server_work.average(values, count)
            aggregation = method.aggregation(method.options)
            if closes and aggregation.words:
                trained = sum(job.costs.parameters[part] for part in parts)
                work += job.server_work.step(trained, aggregation.words, aggregation.flops)
            yield job, job.compute(work, Activity.AGGREGATE)

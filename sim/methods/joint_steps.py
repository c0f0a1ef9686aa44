"""Steps that the server makes for all members of a round together.

Step k is on the k-th batch of every member that has one, and waits for all of them: a barrier at every
batch. A member with fewer batches takes no part in the later steps, so that these have fewer members.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import simpy

from cutlayer.sim.codecs.codec import Codec
from cutlayer.sim.codecs.codecs import Codecs, Direction
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Batch, Chain, TensorRef
from cutlayer.sim.learning.deferred import codec_operations
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.log.intervals import SERVER
from cutlayer.sim.methods.method import Round
from cutlayer.sim.methods.split_method import SplitMethod


@dataclass(frozen=True)
class Arrival:
    """What a member brings to a step: its endpoint, its batch, and a payload or a reference."""

    server: ServerEndpoint
    batch: Batch
    payload: Any


Results = Sequence[Any]  # one for each arrival, in the order of the members
Step = Generator[simpy.Event, Any, Results]


@dataclass
class JointSteps:
    """The joint steps of a round whose members have these batches."""

    clock: simpy.Environment
    batches: Sequence[Sequence[Batch]]
    _arrived: dict[int, dict[int, Arrival]] = field(default_factory=dict)
    _done: dict[int, simpy.Event] = field(default_factory=dict)

    def active(self, number: int) -> tuple[int, ...]:
        """Return the members that have a batch in a step."""
        return tuple(m for m, batches in enumerate(self.batches) if number < len(batches))

    def sizes(self, number: int) -> tuple[int, ...]:
        """Return the sizes of the batches of a step, in the order of the members."""
        return tuple(self.batches[m][number].size for m in self.active(number))

    def latest(self, number: int) -> tuple[int, ...]:
        """Return the last step up to this one in which each member has a batch, -1 if it has none."""
        return tuple(min(number, len(batches) - 1) for batches in self.batches)

    def join(
        self, arrival: Arrival, work: Callable[[ServerEndpoint, Sequence[Arrival]], Step]
    ) -> Generator[simpy.Event, Any, Any]:
        """Wait for the other members of a step, and return this member's result of its `work`.

        The endpoint that arrives last does the work, with the arrivals in the order of the members.
        """
        number, server = arrival.batch.number, arrival.server
        members, done = self.active(number), self._done.setdefault(number, self.clock.event())
        arrived = self._arrived.setdefault(number, {})
        arrived[server.member] = arrival
        if len(arrived) < len(members):
            results = yield done
        else:
            del self._arrived[number], self._done[number]
            in_order = [arrived[member] for member in members]
            results = yield from work(server, in_order)
            done.succeed(results)
        return results[members.index(server.member)]


def transmit_shared(
    group: Interleaved, codecs: Codecs, rows: int, contents: Sequence[TensorRef | None]
) -> Sequence[TensorRef | None]:
    """Return what the receivers have of their gradients, whose first `rows` are one message for all."""
    codec = codecs.of("down")
    if codec is None:
        return contents
    operation = codec_operations.transmit_shared
    return group.do(len(contents), operation, codec.spec, rows, *contents)


def follow(server: ServerEndpoint, arrivals: Sequence[Arrival]) -> None:
    """Let all members of a step continue from the last row of the endpoint that did its work."""
    for arrival in arrivals:
        arrival.server.last = server.last


class JointMethod(SplitMethod):
    """A split method with joint steps: a client that drops out would stop all others."""

    untimed: ClassVar[tuple[str, ...]] = ("steps", "group")
    needs_both_blocks = True

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: every step of the server waits for all members that have a batch."""
        return f"{cls.name} steps on the batches of all clients together and waits for each of them"

    @classmethod
    def check_codec(cls, options: Any, direction: Direction, codec: Codec) -> str | None:  # noqa: ARG003
        """Return that one message goes to several clients, and the codec keeps values of each, if so."""
        own = codec.name == "kept" or codec.cached != "nothing"
        if not cls.multicasts or direction == "up" or not own:
            return None
        return (
            f"{cls.name} sends one gradient to several clients, and codec.down depends on what each"
            " has kept: choose one that keeps nothing, such as int"
        )

    @classmethod
    def check_late(cls, options: Any) -> str | None:
        """Return the same reason as for clients that drop out."""
        return cls.check_dropout(options)

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return a reason: a step combines the clients' tensors, which need one shape."""
        return (
            f"{cls.name} combines the tensors of all clients, which needs one cut for all of them"
        )

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:  # noqa: ARG003
        """Return batch sizes and participants: the cut is that of all clients."""
        return frozenset({"batch_sizes", "participants"})

    def open_trunk(self, rnd: Round) -> Chain:
        """Open the chain of the server; by default, it has no states, as each member has a replica."""
        return self.joint_chain(rnd.index, rnd.participants, reads=(), writes=(), at_end=True)

    def weights(self, rnd: Round, arrivals: Sequence[Arrival]) -> list[int]:
        """Return the weights of the members of a step: those of averages."""
        return [rnd.chains[arrival.server.member].weight for arrival in arrivals]

    def open_round(self, index: int) -> Round:
        """Open the members' chains, and the chain of the server that their steps have in common."""
        rnd = super().open_round(index)
        fleet = self.world.fleet
        batches = [fleet.batches(client) for client in rnd.participants]
        rnd.notes["steps"] = JointSteps(self.world.clock, batches)
        trunk = self.open_trunk(rnd)
        rnd.notes["group"] = group = self.world.learning.interleave(trunk)
        for chain in rnd.chains:
            group.join(chain)
        if self.multicasts:
            self._form_trees(rnd)
        return rnd

    def _form_trees(self, rnd: Round) -> None:
        """Form the trees of a round's multicasts before it begins, while nothing is on its way."""
        world, steps = self.world, rnd.notes["steps"]
        routes = [world.route(SERVER, client).index for client in rnd.participants]
        for length in sorted({len(batches) for batches in steps.batches} - {0}):
            world.network.tree(routes[member] for member in steps.active(length - 1))

"""The base class of training methods, their options and their rounds.

A method calls operations; it does not read the clock, touch weights or count bytes. A new method is one
file: a subclass with its `Options`, `open_round`, and the two generators `device` and `server`, which
define what each endpoint of a client does.

This file is long because it has everything that a user's own method can override.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Literal

import simpy
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from cutlayer.scenarios.fields import rule
from cutlayer.scenarios.unions import OneOf
from cutlayer.sim.codecs.codec import Codec
from cutlayer.sim.codecs.codecs import DIRECTIONS, OF_WEIGHTS, Direction
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.nodes import NodeType
from cutlayer.sim.endpoints.payload import LABEL_BYTES
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.aggregation import FEDAVG, Aggregation, FedAdam, FedAvg, FedAvgM, FedYogi
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.recipe import Optimizer
from cutlayer.sim.learning.state_key import ALL_CLIENTS, StateKey, shared
from cutlayer.sim.methods.members import Members
from cutlayer.sim.methods.signature import UnrepeatableError, signature
from cutlayer.sim.tasks.task import Task

Process = Generator[simpy.Event, Any, None]


class MethodOptions(BaseModel):
    """The options of a method in a scenario; unknown keys are errors.

    Every method can start from pre-trained weights, as the baselines do in EcoFed's public code: against
    baselines with random weights, EcoFed's comparison would measure the initialisation, not the method.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    init: Literal["random", "partial", "holistic"] = Field(
        "random",
        description=(
            "initial weights: random, a pre-trained device block (partial),"
            " or a pre-trained feature extractor (holistic)"
        ),
    )
    weights: str | None = Field(
        None, description="safetensors file or shipped name; null: the one shipped for the model"
    )

    @cached_property
    def immutable(self) -> bool:
        """Whether no option can change in place."""
        try:
            hash(self)
        except TypeError:  # an option is a list
            return False
        return True

    @field_validator("weights")
    @classmethod
    def _used(cls, weights: str | None, info: ValidationInfo) -> str | None:
        if weights is not None and info.data.get("init") == "random":
            raise rule("has no effect with init: random; choose partial or holistic")
        return weights


class AveragingOptions(MethodOptions):
    """The options of a method that averages weights: those of every method, and the aggregation."""

    aggregation: Annotated[
        FedAvg | FedAvgM | FedAdam | FedYogi,
        OneOf(fedavg=FedAvg, fedavgm=FedAvgM, fedadam=FedAdam, fedyogi=FedYogi),
    ] = Field(
        default="fedavg",
        validate_default=True,
        description="what the server makes of the members' mean: fedavg, fedavgm, fedadam, fedyogi",
    )


@dataclass
class Round:
    """One round: its number, its type (such as "upload"), its participants (client indices) and chains.

    `dropped` lists the members (0, 1, ... in the order of `participants`) that dropped out.
    """

    index: int
    round_type: str
    participants: tuple[int, ...]
    chains: tuple[Chain, ...]
    notes: dict[str, Any] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    members: Members | None = None


@dataclass(frozen=True)
class ServerLoad:
    """What decides how much memory a run takes on the server.

    `held` are the samples of every client, `trained` those that an epoch trains on, largest first. An
    activation has `values` values per sample.
    """

    participants: int
    held: Sequence[int]
    trained: Sequence[int]
    values: int
    batch_size: int
    epochs: int
    rounds: int
    classes: int
    label_bytes: int = LABEL_BYTES  # of a sample


class Method(ABC):
    """A training method in a world of its own.

    `reusable` lets a run without tensors reuse rounds with equal `signature`. It is not inherited: a
    class sets it for its own code. `untimed` names attributes, notes and parts of states that
    do not affect timing, and may differ between such rounds. A class that sends multicasts
    (`cutlayer.sim.endpoints.multicast`) sets `multicasts`. `sends` says which messages codecs apply to:
    activations ("up"), gradients ("down"), and weights ("weights_up", "weights_down").
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[MethodOptions]]
    parts: ClassVar[tuple[str, ...]] = ("device", "server")
    freezes_device: ClassVar[bool] = False
    keeps_received: ClassVar[bool] = False
    needs_both_blocks: ClassVar[bool] = False
    cancels: ClassVar[bool] = False
    asynchronous: ClassVar[bool] = False
    multicasts: ClassVar[bool] = False
    sends: ClassVar[tuple[Direction, ...]] = (*DIRECTIONS, *OF_WEIGHTS)
    reusable: ClassVar[bool] = False
    untimed: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.reusable = vars(cls).get("reusable", False)

    def __init__(self, world: World, options: Any) -> None:
        self.world = world
        self.options = options

    @classmethod
    def cut(cls, cut: int, last: int) -> int:  # noqa: ARG003 - for those that never cut there
        """Return the cut of this method, given the scenario's `cut` and the model's `last`."""
        return cut

    @classmethod
    def check_cut(cls, cut: int, last: int) -> str | None:
        """Return why this method does not work with the scenario's cut, or None if it does."""
        if not cls.needs_both_blocks or 1 <= cut <= last - 1:
            return None
        return (
            f"{cls.name} needs a cut between 1 and {last - 1}, so that device and server have a"
            " block each"
        )

    @classmethod
    def check_task(cls, options: Any, task: Task) -> str | None:  # noqa: ARG003
        """Return why this method cannot train a task, or None if it can."""
        return None

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return why clients cannot have different cuts, or None if they can."""
        return f"{cls.name} needs one cut for all clients"

    @classmethod
    def cycle(cls, options: Any) -> int:  # noqa: ARG003
        """Return the number of rounds after which the round types repeat."""
        return 1

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return how many replicas of the server block exist at once: by default one per participant."""
        return participants

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:  # noqa: ARG003
        """Return the largest batch that the server trains on for each participant, largest first."""
        return [min(load.batch_size, held) for held in load.held[: load.participants]]

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:  # noqa: ARG003
        """Return the peak bytes of activations that the server keeps for longer than a batch."""
        return 0

    @classmethod
    def clients_received(cls, options: Any, load: ServerLoad) -> int:  # noqa: ARG003
        """Return from how many clients, at most, the server has received activations at the end."""
        return load.rounds * load.participants

    @classmethod
    def directions(cls, options: Any) -> tuple[Direction, ...]:  # noqa: ARG003
        """Return the messages of `sends` that are sent with these options."""
        return cls.sends

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning (all of them unless overridden).

        Of `edges`, only the number of rounds affects it, not the node of the server block.

        `init` and `weights` are not among them: they are in the digests of the initial weights. Nor is
        the default aggregation: digests were recorded before there were others.
        """
        excluded = {"init", "weights", "edges"}
        if cls.aggregation(options) == FEDAVG:
            excluded.add("aggregation")
        dumped: dict[str, Ingredient] = options.model_dump(mode="json", exclude=excluded)
        edges = getattr(options, "edges", None)
        return dumped if edges is None else dumped | {"edge_rounds": edges.rounds}

    @classmethod
    def aggregation(cls, options: Any) -> Aggregation:
        """Return how the server folds the members' weights: the option, or FedAvg without one."""
        chosen: Aggregation = getattr(options, "aggregation", FEDAVG)
        return chosen

    @classmethod
    def node_types(cls, options: Any) -> tuple[NodeType, ...]:  # noqa: ARG003
        """Return the types of nodes with which clients exchange messages: server, edge, or both."""
        return ("server",)

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return why a round cannot continue without a client that drops out, or None if it can."""
        return f"{cls.name} needs every client of its round to the end"

    @classmethod
    def check_closing(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return why `training.closing` cannot close a round of this method, or None if it can."""
        return f"{cls.name} needs every client of its round to the end"

    @classmethod
    def check_population(cls, options: Any, clients: int, participants: int) -> str | None:  # noqa: ARG003
        """Return why a method cannot run with this number of clients, or None if it can.

        Of these clients, `participants` train in a round, or at the same time if there are no rounds.
        """
        return None

    @classmethod
    def check_optimizer(cls, options: Any, optimizer: Optimizer) -> str | None:  # noqa: ARG003
        """Return why a method cannot train with this optimizer, or None if it can."""
        return None

    @classmethod
    def check_control(cls, options: Any, sets: frozenset[str]) -> str | None:
        """Return why a controller cannot set these of cuts, batch_sizes and participants, or None."""
        missing = sorted(sets - cls.decided(options))
        return f"{cls.name} does not let a controller set {missing[0]}" if missing else None

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:  # noqa: ARG003
        """Return the fields that controllers may set in rounds of this method."""
        return frozenset()

    @classmethod
    def quantises(cls, options: Any) -> bool:  # noqa: ARG003
        """Return whether the method quantises activations itself."""
        return False

    @classmethod
    def check_codec(cls, options: Any, direction: Direction, codec: Codec) -> str | None:  # noqa: ARG003
        """Return why messages of a direction cannot have a codec, or None if they can."""
        return None

    @property
    def may_cancel(self) -> bool:
        """Whether clients of a round can be cancelled, by this method or by `training.closing`."""
        return self.cancels or self.world.closing is not None

    def chain(
        self,
        index: int,
        client: int,
        *,
        reads: Sequence[StateKey] = (),
        averages: Sequence[StateKey] = (),
        writes: Sequence[StateKey] = (),
        scheduled_at: int | None = None,
        encodes: Sequence[int] | None = None,
    ) -> Chain:
        """Open the chain of one client for a round; see `Learning.chain`."""
        fleet = self.world.fleet
        return self.world.learning.chain(
            index,
            client,
            fleet.clients[client].samples,
            reads=reads,
            averages=averages,
            writes=writes,
            cut=fleet.cuts[client],
            batch_size=fleet.batch_sizes.get(client),
            scheduled_at=scheduled_at,
            encodes=encodes,
        )

    def joint_chain(
        self,
        index: int,
        clients: Sequence[int],
        *,
        reads: Sequence[StateKey],
        writes: Sequence[StateKey],
        at_end: bool = False,
        encodes: Sequence[int] = (),
    ) -> Chain:
        """Open one chain of a round that passes through the shards of several clients, in order."""
        own_sizes = self.world.fleet.batch_sizes.keys() & {*clients}
        assert not own_sizes or at_end, "a chain of several clients has the scenario's batch size"
        return self.world.learning.chain(
            index,
            ALL_CLIENTS,
            sum(self.world.fleet.clients[client].samples for client in clients),
            reads=reads,
            writes=writes,
            members=clients,
            at_end=at_end,
            encodes=encodes,
        )

    def eligible(self, index: int) -> Sequence[int]:  # noqa: ARG002
        """Return the clients that may take part in a round, whether online or not."""
        return self.world.fleet.able

    @abstractmethod
    def open_round(self, index: int) -> Round:
        """Choose the clients of a round and open their chains. Takes no virtual time."""

    @abstractmethod
    def run_round(self, rnd: Round) -> Process:
        """Simulate the round on the clock."""

    def drop(self, rnd: Round, member: int) -> None:
        """Record that a member drops out of the round, and discard its update."""
        rnd.dropped.append(member)
        self.world.learning.drop(rnd.chains[member])

    def cancel(self, rnd: Round, member: int) -> None:
        """End a member's round now: a deadline has passed, or enough others are done.

        The effect is that of going offline for good: its transfers are aborted (the bytes already sent
        count as dropped), its device stops computing, its waiting jobs leave the server's queue, both
        of its processes end, and its update is discarded. A job that is running on the server is
        finished. A member that is done or has dropped out is not affected. Only for methods that set
        `cancels = True`.
        """
        assert self.may_cancel, f"{self.name} cancels clients, and does not set `cancels = True`"
        assert rnd.members is not None, "a round has members once it has started"
        rnd.members.cancel(member)

    def start_members(
        self,
        rnd: Round,
        device: Callable[[DeviceEndpoint, Round], Process],
        server: Callable[[ServerEndpoint, Round], Process],
        *,
        round_overhead: bool = True,
    ) -> Members:
        """Start both endpoints of every member of a round; see `Members.start`."""
        members = self.members(rnd)
        for client, chain in zip(rnd.participants, rnd.chains, strict=True):
            members.start(
                client,
                chain,
                lambda endpoint: device(endpoint, rnd),
                lambda endpoint: server(endpoint, rnd),
                round_overhead=round_overhead,
            )
        return members

    def members(self, rnd: Round) -> Members:
        """Return the members of a round, none of them started."""
        rnd.members = Members(self.world, partial(self.drop, rnd), cancels=self.may_cancel)
        return rnd.members

    def signature(self, rnd: Round) -> Hashable:
        """Return a value of all that affects a round's timing, except devices and links of its members.

        It has the round's declarations and the method's attributes, without the `untimed` ones. Raises
        UnrepeatableError if it cannot be compared with another round's.
        """
        if self.world.downloads_frozen and any(map(self.world.frozen_for, rnd.participants)):
            raise UnrepeatableError("a client downloads the frozen tensors for the first time")
        fleet = self.world.fleet
        sizes = tuple([fleet.sizes(client) for client in rnd.participants])
        fixed = [self.world, self.options] if self.options.immutable else [self.world]
        attributes = {k: v for k, v in vars(self).items() if not any(v is one for one in fixed)}
        rest = signature(rnd.chains, rnd.participants, (attributes, rnd.notes), self.untimed)
        return rnd.round_type, sizes, rest

    def evaluated(self, rnd: Round) -> Sequence[tuple[StateKey, ...]]:  # noqa: ARG002
        """Return the models to evaluate after a round, each as the states of its parts."""
        return [shared("device", "server")]

"""The base of asynchronous methods: an update is used when it arrives, and no client waits for others.

A client that gets a permit (`cutlayer.sim.methods.permits`) starts an update. The generators `device`
and `server` run as in a synchronous method; when both have ended, the update has arrived, and `arrived`
uses it. `aggregate` queues the server's work of a fold; `fold` makes the next version of the shared
weights. The permit is released after the fold, or at the end of the instant in which the update arrived
if it waits in a buffer.

Time is continuous. Instead of rounds, a run has windows: sections of the log that close with a fold.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import simpy
from pydantic import Field

from cutlayer.scenarios.fields import Count
from cutlayer.sim.compute.stage import NO_WORK
from cutlayer.sim.endpoints.churn import ChurnOfRun
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.learning.state_key import shared
from cutlayer.sim.log.intervals import NO_CAUSE, Activity
from cutlayer.sim.log.updates import UpdateRow
from cutlayer.sim.methods.fold_work import fold_work
from cutlayer.sim.methods.members import Members
from cutlayer.sim.methods.method import Method, MethodOptions, Process, Round, ServerLoad
from cutlayer.sim.methods.permits import Permits
from cutlayer.sim.methods.staleness import Constant, Staleness
from cutlayer.sim.methods.update import Update
from cutlayer.sim.methods.window import Window, WindowSection


class AsyncOptions(MethodOptions):
    """The options of every asynchronous method."""

    in_flight: Count | None = Field(
        None, description="clients that train at the same time; null: training.clients_per_round"
    )
    staleness: Staleness = Field(
        default_factory=Constant,
        description="how much less an update of an old version counts: constant, hinge, polynomial",
    )
    window: WindowSection | None = Field(
        None,
        description=(
            "what training.rounds counts: {updates: n}, {versions: n} or {every: 60 s};"
            " null: training.clients_per_round updates"
        ),
    )


class AsyncMethod(Method):
    """A training method without rounds; a subclass has `device`, `server` and `arrived`.

    `version` counts the folds so far. `last_fold` is the row of the latest one.
    """

    asynchronous = True
    Options: ClassVar[type[MethodOptions]] = AsyncOptions

    options: AsyncOptions

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.version = 0
        self.last_fold = NO_CAUSE
        self.window = Window(options.window, world.fleet.clients_per_round)
        self.ended: list[UpdateRow] = []  # in this window
        self.working: dict[int, Update] = {}  # by client, until they are folded or dropped
        self._churn: ChurnOfRun | None = None
        self._number = 0
        self._updates_of: Counter[int] = Counter()
        self.in_flight = min(
            options.in_flight or world.fleet.clients_per_round, len(world.fleet.able)
        )
        self.permits = Permits(world, self.in_flight, self._dispatch)

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:
        """Return how many replicas of the server block exist at once: one per client in flight."""
        return options.in_flight or participants

    @classmethod
    def clients_received(cls, options: Any, load: ServerLoad) -> int:
        """Return the updates of all windows, of any number if they end at times, and those in flight."""
        if options.window is not None:
            return len(load.held)
        return super().clients_received(options, load) + (options.in_flight or load.participants)

    @classmethod
    def check_population(cls, options: Any, clients: int, participants: int) -> str | None:  # noqa: ARG003
        """Return that there are fewer clients than `in_flight`, or None."""
        if options.in_flight is None or options.in_flight <= clients:
            return None
        return f"in_flight must be at most {clients}, the number of clients"

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return None: the update of a client that drops out is discarded."""
        return None

    @classmethod
    def check_closing(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return that there are no rounds that could close early."""
        return f"{cls.name} has no rounds: no client waits for others"

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning, apart from the order of the updates."""
        kept = super().learning_options(options)
        return {name: value for name, value in kept.items() if name not in ("in_flight", "window")}

    @abstractmethod
    def device(self, device: DeviceEndpoint, update: Update) -> Process:
        """Yield the operations of a client's device for an update."""

    @abstractmethod
    def server(self, server: ServerEndpoint, update: Update) -> Process:
        """Yield the operations of the server for an update."""

    @abstractmethod
    def arrived(self, update: Update) -> Process:
        """Use an update that has arrived: fold it, alone or with others, or keep it for a later fold."""

    def staleness(self, update: Update) -> int:
        """Return the number of folds since an update was dispatched."""
        return self.version - update.read_version

    def staleness_weight(self, update: Update) -> float:
        """Return the weight of an update for its staleness; 1 if it has none."""
        return self.options.staleness.weight(self.staleness(update))

    def folding(self) -> tuple[Sequence[str], Aggregation]:
        """Return the parts that are folded, and the aggregation whose work is charged."""
        return self.parts, self.aggregation(self.options)

    def aggregate(self, updates: Sequence[Update]) -> simpy.Event:
        """Queue the server's work of folding updates into the shared weights, after the last of them."""
        for update in updates:
            update.taken = True
        servers = [update.server for update in updates]
        work = fold_work(servers, *self.folding()) or NO_WORK
        return updates[-1].server.compute(work, Activity.AGGREGATE)

    def fold(
        self,
        updates: Sequence[Update],
        aggregation: Aggregation | None = None,
        *,
        weights: Sequence[float] | None = None,
        total: float | None = None,
        deltas: bool = False,
    ) -> None:
        """Fold updates into the next version now; see `Learning.fold`.

        The share of an update is its weight (by default its chain's) over `total` (by default their
        sum).
        """
        chains = [update.chain for update in updates]
        self.world.learning.fold(chains, aggregation, weights=weights, total=total, deltas=deltas)
        self.last_fold = updates[-1].server.last
        weights = [chain.weight for chain in chains] if weights is None else weights
        total = sum(weights) if total is None else total
        for update, weight in zip(updates, weights, strict=True):
            self._end(update, self.staleness(update), weight / total)
        self.version += 1
        self.window.count(len(updates), self.world.clock.elapsed_s)
        self._release(updates, self.last_fold)

    def begin(self) -> None:
        """Give all permits at the start of the run."""
        self.follow_presences()
        self.permits.grant()

    def follow_presences(self) -> None:
        """Follow the presence of clients from now on, if any can be offline."""
        if self.world.fleet.presences:
            self._churn = ChurnOfRun(self.world, self._dropped)

    def open_round(self, index: int) -> Round:
        """Refuse: there are no rounds."""
        raise AssertionError(f"{self.name} has windows, not rounds (got round {index})")

    def run_round(self, rnd: Round) -> Process:
        """Refuse: there are no rounds."""
        raise AssertionError(f"{self.name} has windows, not rounds (got round {rnd.index})")

    def open_chain(self, client: int, index: int) -> Chain:
        """Open the chain of a client's update, which is its update number `index`."""
        parts = shared(*self.parts)
        return self.chain(index, client, reads=parts, averages=parts)

    def _dispatch(self, client: int, after: int) -> None:
        """Start an update of a client; `after` is the row that it follows."""
        index = self._updates_of[client]
        self._updates_of[client] += 1
        self.start(client, self.open_chain(client, index), after)

    def start(self, client: int, chain: Chain, after: int, **notes: Any) -> None:
        """Start an update of a client that trains `chain`; `after` is the row that it follows."""
        update = Update(
            number=self._number,
            client=client,
            chain=chain,
            read_version=self.version,
            dispatched_s=self.world.clock.elapsed_s,
            members=Members(self.world, self._dropped, churn=self._churn),
            notes=notes,
        )
        self._number += 1
        self.working[client] = update
        update.members.start(
            client,
            update.chain,
            lambda endpoint: self.device(endpoint, update),
            lambda endpoint: self.server(endpoint, update),
            after=after,
            member=client,
        )
        self.world.clock.process(self._live(update))

    def _live(self, update: Update) -> Process:
        """Wait until an update has arrived, and use it."""
        clock = self.world.clock
        yield update.members.done
        if update.server.dropped:
            return
        update.device.done = update.server.done = True
        update.server.last = update.members.last  # the device's, if that ended after the server's
        update.uploaded_s = clock.elapsed_s
        yield from self.arrived(update)
        if not update.taken:
            yield clock.after_all(0.0)
        if not update.taken:
            self._release([update], update.server.last)

    def _dropped(self, client: int) -> None:
        """Discard the update of a client that drops out, and release its permit."""
        update = self.working[client]
        self.world.learning.drop(update.chain)
        self._end(update, None, None)
        self._release([update], update.device.last)

    def _end(self, update: Update, staleness: int | None, weight: float | None) -> None:
        """Record the end of an update that is folded or, without a staleness, dropped."""
        version = None if staleness is None else self.version + 1
        self.ended.append(update.row(self.window.index, version, staleness, weight))

    def _release(self, updates: Sequence[Update], row: int) -> None:
        """Release the permits of clients whose updates still have one."""
        clients = [update.client for update in updates if self.working.get(update.client) is update]
        for client in clients:
            del self.working[client]
        self.permits.release(clients, row)
        self.permits.grant()

"""Transfers as fluid flows in a SimPy environment, sharing their resources max-min fairly.

The model: a route is one connection of one client in one direction, so its messages go one after
the other, in the order in which they were started (`fifo`). At every instant the flows in flight
share the resources by weighted max-min fairness; rates change at every start, end, cancellation
and change of a cap or capacity, never in between. Not modelled here: packets, queueing delay of
other traffic, retransmissions; propagation is the caller's to add.

A flow has one event and no process: all changes of one instant lead to one solve per component, after
every ordinary event of that instant (priority 2). A wake-up that a later change made obsolete stays
in SimPy's queue and does nothing when its time comes. Where the time of the last event matters, let
`run` end at an event and not with the queue.

This file is long because `Network` is one class: all changes of an instant meet in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from simpy import Environment

from cutlayer.sim.clock import Clock
from cutlayer.sim.network.changing import Changing, Profile, integral
from cutlayer.sim.network.flow import CANCELLED, FINISHED, SENDING, WAITING, Flow, RouteQueues
from cutlayer.sim.network.private_links import OwnLinks
from cutlayer.sim.network.route_runs import OnDemand, Runs
from cutlayer.sim.network.routes import NetworkError, Route, Uses, check_capacity, total_uses
from cutlayer.sim.network.settling import Observer, Settling
from cutlayer.sim.network.solvers.check import check_allocation
from cutlayer.sim.network.solvers.choose import choose
from cutlayer.sim.network.solvers.solver import Solver
from cutlayer.sim.network.transport_protocol import Transport
from cutlayer.suggestion import suggestion


class Network:
    """Starts transfers, gives them their rates, and ends them.

    `resources` gives capacities (bytes/s, or another unit that the routes' consumption per byte is
    in; infinite allowed, 0 is an outage). Flows name their route by its index in `routes`; a route
    has a `weight` if `weights` are given, else 1. A `transport` caps transfers; `profiles`
    give capacities that change with time, for which `env` must be a `Clock`. Routes that are
    `alike`, in runs, are evaluated when they are first used. With `general` every component is solved
    by progressive filling, as a check of the faster solvers. More than `stall_limit` settles at one
    instant (plus 100 a route) raise a StalledClockError.
    """

    def __init__(
        self,
        env: Environment,
        resources: Mapping[str, float],
        routes: Sequence[Route],
        *,
        fifo: bool = True,
        general: bool = False,
        stall_limit: int = 100_000,
        weights: Sequence[float] | None = None,
        transport: Transport | None = None,
        profiles: Mapping[str, Profile] | None = None,
        alike: Runs | None = None,
    ) -> None:
        self.env = env
        self.fifo = fifo
        self._general = general
        self._runs = Runs.apart(len(routes)) if alike is None else alike
        self._resources = resources
        self._capacities = OnDemand(resources.__getitem__)
        self._uses: OnDemand[int, Uses] = OnDemand(
            lambda index: total_uses(resources, index, routes[index])
        )
        if self._runs.single:
            for name, capacity in resources.items():
                check_capacity(name, capacity)
                self._capacities[name] = capacity
            for index, route in enumerate(routes):
                self._uses[index] = total_uses(resources, index, route)
        self._trees: dict[tuple[int, ...], int] = {}
        self._branches: dict[int, tuple[int, ...]] = {}  # the routes of each tree
        self._queues = RouteQueues()
        self._sequence = 0
        self._latest = 0
        self._settling = Settling(env, self._end_all, stall_limit + 100 * len(routes), self._state)
        self._weights = weights
        self._transport = transport
        if transport is not None:
            transport.attach(self)
        self._changing: Changing | None = None
        if profiles:
            assert isinstance(env, Clock), "profiles are in seconds since the run began"
            self._changing = Changing(env, profiles, self._uses, self.set_capacity)
        self._choose({})

    def _choose(self, held_s: dict[str, float]) -> None:
        choice = choose(
            self._capacities, self._uses, self._runs, fifo=self.fifo, general=self._general
        )
        self._solver = choice.solver
        self._shared_by = choice.shared_by
        self._private_of = choice.private_of
        self._own = OwnLinks(self._capacities, choice.private, held_s)

    @property
    def solves(self) -> int:
        """How often rates were shared out among flows with a common resource."""
        return self._settling.solves

    @property
    def forms(self) -> tuple[str, ...]:
        """Name of the solver of each route."""
        return tuple(self._solver[route].form for route in range(self._runs.count))

    def start(
        self, route_index: int, size_bytes: float, weight: float | None = None, cap: float = inf
    ) -> Flow:
        """Start a transfer at no more than `cap` bytes/s; it waits while its route is busy.

        Its weight is the route's unless given.
        """
        if not 0 <= route_index < self._runs.count:
            raise NetworkError(
                f"there is no route {route_index}: the network has {self._runs.count} routes"
            )
        if weight is None:
            weight = self._weight(route_index)
        if not (0 <= size_bytes < inf and 0 < weight < inf and cap >= 0):
            raise NetworkError(
                "a transfer needs a finite size >= 0, a finite weight > 0 and a cap >= 0, "
                f"got size {size_bytes!r}, weight {weight!r}, cap {cap!r}"
            )
        now = self.env.now
        self._sequence += 1
        self._latest = route_index
        flow = Flow(self.env, route_index, self._sequence, size_bytes, weight, cap, now)
        if not self.fifo or self._queues.enter(flow):
            self._begin(flow, now)
        return flow

    def tree(self, routes: Iterable[int]) -> int:
        """Return the route of a multicast: to the ends of all of these routes at once.

        A transfer on it is one flow over every resource of the routes, each of which carries it once: at
        its largest consumption per byte (on a medium, that of the slowest station). The slowest branch
        therefore sets the rate, and other flows see one competitor, with the least weight of the routes.
        The transport does not cap it. The tree of a single route is that route. A new tree forms the
        components anew.
        """
        members = tuple(sorted({*routes}))
        if len(members) == 1:
            return members[0]
        if members not in self._trees:
            index = self._runs.count
            uses: dict[str, float] = {}
            for route in members:
                for name, amount in self._uses[route]:
                    uses[name] = max(amount, uses.get(name, 0))
            self._uses[index] = tuple(uses.items())
            self._runs = Runs.apart(index + 1)
            self._trees[members], self._branches[index] = index, members
            self._choose_again(self.env.now)
        return self._trees[members]

    def branches(self, route: int) -> tuple[int, ...]:
        """Return the routes of a tree; those of any other route are itself."""
        return self._branches.get(route, (route,))

    def cancel(self, flow: Flow) -> float:
        """Stop a transfer and return the bytes that it had left; `flow.done` never succeeds."""
        if flow.state == SENDING:
            now = self.env.now
            solver = self._solver[flow.route]
            flow.left = solver.remove(flow, now)
            flow.state = CANCELLED
            self._over(flow)
            self._settling.removed(solver, now)
            if self.fifo:
                for following in self._queues.following(flow.route):
                    self._begin(following, now)
        elif flow.state == WAITING:
            flow.state = CANCELLED
        return flow.left

    def set_cap(self, flow: Flow, cap: float) -> None:
        """Change the cap of a transfer, in bytes/s."""
        if not cap >= 0:
            raise NetworkError(f"a cap must be 0 or more bytes/s, got {cap!r}")
        flow.cap = cap
        if flow.state == SENDING:
            self._renew_cap(flow)

    def set_capacity(self, resource: str, capacity: float) -> None:
        """Change the capacity of a resource from now on."""
        if resource not in self._resources:
            hint = suggestion(resource, self._resources)
            raise NetworkError(f"the network has no resource {resource!r}{hint}")
        check_capacity(resource, capacity)
        self._capacities[resource] = capacity
        now = self.env.now
        solver = self._shared_by.get(resource)
        route = self._private_of.get(resource)
        if solver is not None:
            solver.set_capacity(resource, capacity, now)
            if solver.count:
                self._settling.touch(solver, now)
        elif route is not None:
            self._own.renew(route)
            flow = self._queues.serving(route)
            if flow is not None and flow.state == SENDING:
                self._renew_cap(flow)
        elif capacity < inf:
            self._choose_again(now)

    def capacity_seconds(self, resource: str, until_s: float, since_s: float = 0.0) -> float:
        """Return a resource's capacity, integrated over seconds counted from the run's beginning."""
        if self._changing is not None and resource in self._changing.profiles:
            return integral(self._changing.profiles[resource], until_s, since_s)
        return self._capacities[resource] * (until_s - since_s)

    def capacity(self, resource: str) -> float:
        """Return the capacity of a resource now."""
        return self._capacities[resource]

    @property
    def shared(self) -> tuple[str, ...]:
        """The resources that several transfers may share at a time."""
        return tuple(self._shared_by)

    def solver_of(self, resource: str) -> Solver | None:
        """Return the solver that shares out a resource, or None if none does."""
        return self._shared_by.get(resource)

    def observe(self, *observers: Observer) -> None:
        """Call these observers, and no others, whenever rates change from now on."""
        self._settling.observers = observers

    def collect_bottlenecks(self) -> dict[str, float]:
        """Return for how many seconds each resource held a transfer back since the last call.

        A shared resource does so while it is saturated, a route's own while its transfer runs at the
        rate that it sets. Call it only when nothing is in flight.
        """
        held_s = self._own.collect()
        for solver in dict.fromkeys(self._shared_by.values()):
            for name, seconds in solver.collect().items():
                held_s[name] = held_s.get(name, 0) + seconds
        return held_s

    def rate(self, flow: Flow) -> float:
        """Rate of a transfer in bytes/s, as of the latest settle; 0 unless it is being sent."""
        return self._solver[flow.route].rate(flow) if flow.state == SENDING else 0

    def limit(self, flow: Flow) -> tuple[float, str | None]:
        """Return a transfer's cap, bytes/s, and the private link that sets it, or None."""
        return self._own.limit(flow)

    def shared_uses(self, route: int) -> list[tuple[str, float]]:
        """Return the resources of a route that others may share, with their capacities."""
        return [
            (name, self._capacities[name])
            for name, _ in self._uses[route]
            if name in self._shared_by
        ]

    def reach(self, route: int) -> float:
        """Return the rate, bytes/s, that a transfer alone on its route's resources would get now."""
        return min([self._capacities[name] / a for name, a in self._uses[route]], default=inf)

    def left_bytes(self, flow: Flow) -> float:
        """Bytes that a transfer has left now; of a cancelled one, when it was cancelled."""
        if flow.state == SENDING:
            return self._solver[flow.route].left(flow, self.env.now)
        return flow.left

    def in_flight(self) -> list[Flow]:
        """The flows being sent, in the order in which they were started."""
        flows = [flow for solver in self._used_solvers() for flow in solver.flows()]
        return sorted(flows, key=lambda flow: flow.sequence)

    def bytes_to_send(self) -> float:
        """Return the sizes of all transfers that are being sent or wait for their route."""
        return sum(flow.size_bytes for flow in [*self.in_flight(), *self._queues.waiting()])

    def without_capacity(self) -> list[str]:
        """The resources of zero capacity that hold up transfers, in the order of these."""
        names = [name for flow in self.in_flight() for name, _ in self._uses[flow.route]]
        return [name for name in dict.fromkeys(names) if self._capacities[name] == 0]

    def check_allocation(self, tolerance: float = 1e-9) -> int:
        """Prove that the rates are max-min fair; return how many. Raises AllocationError.

        Components that are not settled yet after a change at this instant are left out.
        """
        flows = [flow for flow in self.in_flight() if not self._solver[flow.route].touched]
        check_allocation(
            self._capacities,
            [flow.weight for flow in flows],
            [flow.cap for flow in flows],
            [self._uses[flow.route] for flow in flows],
            [self.rate(flow) for flow in flows],
            tolerance,
        )
        return len(flows)

    def _weight(self, route: int) -> float:
        """Return the weight of a route, or the least of a tree's."""
        if self._weights is None:
            return 1
        return min(self._weights[branch] for branch in self.branches(route))

    def _used_solvers(self) -> Iterable[Solver]:
        """Return the solvers of all routes that were used, each once."""
        solvers = self._solver
        return dict.fromkeys(solvers.values() if isinstance(solvers, OnDemand) else solvers)

    def _begin(self, flow: Flow, now: float) -> None:
        flow.start_s = now
        if not flow.size_bytes:
            self._settling.count(now)
            self._end(flow, now)
            return
        if self._changing is not None:
            self._changing.begins(flow.route)
        transport = self._transport_of(flow)
        if transport is not None:
            flow.cap = min(flow.cap, transport.begins(flow))
        flow.state = SENDING
        route = flow.route
        solver = self._solver[route]
        if not solver.count:
            self._settling.forget(solver)
        cap, flow.held_by = self._own.limit(flow)
        solver.add(flow, flow.size_bytes, cap, now)
        self._settling.touch(solver, now)

    def _end_all(self, due: Sequence[Flow], now: float) -> None:
        for flow in due:
            self._end(flow, now)
        if self.fifo:
            for flow in due:
                for following in self._queues.following(flow.route):
                    self._begin(following, now)

    def _end(self, flow: Flow, now: float) -> None:
        flow.state = FINISHED
        flow.finish_s = now
        flow.left = 0
        if flow.size_bytes:
            self._over(flow)
        flow.done.succeed(flow)

    def _over(self, flow: Flow) -> None:
        """Close the accounts of a transfer that has ended or was cancelled."""
        self._own.charge(flow)
        transport = self._transport_of(flow)
        if transport is not None:
            transport.ends(flow)
        if self._changing is not None:
            self._changing.ends(flow.route)

    def _transport_of(self, flow: Flow) -> Transport | None:
        """Return the transport that caps a transfer; None for a multicast."""
        return None if flow.route in self._branches else self._transport

    def _renew_cap(self, flow: Flow) -> None:
        now = self.env.now
        solver = self._solver[flow.route]
        cap, holder = self._own.limit(flow)
        solver.set_cap(flow, cap, now)
        self._own.charge(flow)  # until now, at the old cap
        flow.held_by = holder
        self._settling.touch(solver, now)

    def _choose_again(self, now: float) -> None:
        """Form the components anew, because a resource that had no limit has one now."""
        flows = [(flow, self.left_bytes(flow)) for flow in self.in_flight()]
        for solver in self._used_solvers():
            self._settling.forget(solver)
        self._choose(self._own.collect())
        for flow, left in flows:
            solver = self._solver[flow.route]
            cap, flow.held_by = self._own.limit(flow)
            solver.add(flow, left, cap, now)
            self._settling.touch(solver, now)

    def _state(self) -> str:
        return (
            f"{len(self.in_flight())} transfers in flight, {self._sequence} started so far, the"
            f" latest on route {self._latest}"
        )

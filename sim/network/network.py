"""Transfers as fluid flows in a SimPy environment, sharing their resources max-min fairly.

The model: a route is one connection of one client in one direction, so its messages go one after
the other, in the order in which they were started (`fifo`). At every instant the flows in flight
share the resources by weighted max-min fairness; rates change at every start, end, cancellation
and change of a cap or capacity, never in between. Not modelled here: packets, queueing delay of
other traffic, retransmissions; propagation is the caller's to add.

One event a flow and no process: all changes of one instant lead to one solve per component, after
every ordinary event of that instant (priority 2). A wake-up that a later change made obsolete stays
in the queue of SimPy and does nothing when its time comes; so let `run` end at an event, not at the
queue's end, where the time of the last event matters.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from math import inf

from simpy import Environment

from sim.clock import Clock
from sim.network.certificate import check_allocation
from sim.network.changing import Changing, Profile
from sim.network.choose import check_capacity, choose, consumptions, nearest
from sim.network.errors import NetworkError
from sim.network.filling import Uses
from sim.network.flow import CANCELLED, FINISHED, SENDING, WAITING, Flow, Route
from sim.network.pacing import Pacer
from sim.network.solver import Solver
from sim.network.standstill import Standstill
from sim.network.wake import SETTLE, Callbacks, Wake


class Network:
    """Starts, shares out and ends transfers.

    `resources` gives capacities (bytes/s, or another unit that the routes' consumption per byte is
    in; infinite allowed, 0 is an outage). Flows name their route by its index in `routes`; a route
    has a `weight` if `weights` are given, else 1. A `pacer` caps transfers as they go; `profiles`
    give capacities that change with time, for which `env` must be our `Clock`. With
    `general` every component is solved by progressive filling, which checks the faster solvers.
    More than `stall_limit` settles at one instant (plus 100 a route) are reported as an error.
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
        pacer: Pacer | None = None,
        profiles: Mapping[str, Profile] | None = None,
    ) -> None:
        for name, capacity in resources.items():
            check_capacity(name, capacity)
        self.env = env
        self.fifo = fifo
        self.solves = 0
        """Number of times that rates were shared out among flows with a common resource."""
        self._general = general
        self._capacities = dict(resources)
        self._uses: list[Uses] = consumptions(self._capacities, routes)
        self._serving: list[Flow | None] = [None] * len(routes)
        self._waiting: list[deque[Flow] | None] = [None] * len(routes)
        self._sequence = 0
        self._latest = 0
        self._callbacks: Callbacks = [self._look_after]
        self._standstill = Standstill(stall_limit + 100 * len(routes))
        self._weights = weights
        self._pacer = pacer
        if pacer is not None:
            pacer.attach(self)
        self._changing: Changing | None = None
        if profiles:
            assert isinstance(env, Clock), "profiles are in seconds since the run began"
            self._changing = Changing(env, profiles, self._uses)
        self._choose()

    def _choose(self) -> None:
        choice = choose(self._capacities, self._uses, fifo=self.fifo, general=self._general)
        self._solver = choice.solver
        self._private = choice.private
        self._shared_by = choice.shared_by
        self._private_of = choice.private_of
        self._route_cap = [self._private_cap(route) for route in range(len(self._uses))]

    def _private_cap(self, route: int) -> float:
        return min((self._capacities[name] / a for name, a in self._private[route]), default=inf)

    @property
    def forms(self) -> tuple[str, ...]:
        """Name of the solver of each route."""
        return tuple(solver.form for solver in self._solver)

    def start(
        self, route_index: int, size_bytes: float, weight: float | None = None, cap: float = inf
    ) -> Flow:
        """Start a transfer at no more than `cap` bytes/s; it waits while its route is taken.

        Its weight is the route's unless given.
        """
        if not 0 <= route_index < len(self._uses):
            raise NetworkError(
                f"there is no route {route_index}: the network has {len(self._uses)} routes"
            )
        if weight is None:
            weight = 1 if self._weights is None else self._weights[route_index]
        if not (0 <= size_bytes < inf and 0 < weight < inf and cap >= 0):
            raise NetworkError(
                "a transfer needs a finite size >= 0, a finite weight > 0 and a cap >= 0, "
                f"got size {size_bytes!r}, weight {weight!r}, cap {cap!r}"
            )
        now = self.env.now
        self._sequence += 1
        self._latest = route_index
        flow = Flow(self.env, route_index, self._sequence, size_bytes, weight, cap, now)
        if self.fifo:
            if self._serving[route_index] is not None:
                waiting = self._waiting[route_index]
                if waiting is None:
                    waiting = self._waiting[route_index] = deque()
                waiting.append(flow)
                return flow
            if size_bytes:
                self._serving[route_index] = flow
        self._begin(flow, now)
        return flow

    def cancel(self, flow: Flow) -> float:
        """Stop a transfer and return the bytes that it had left; `flow.done` will not happen."""
        if flow.state == SENDING:
            now = self.env.now
            solver = self._solver[flow.route]
            flow.left = solver.remove(flow, now)
            flow.state = CANCELLED
            self._over(flow)
            if solver.count:
                self._touch(solver, now)
            if self.fifo:
                self._serve_next(flow.route, now)
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
        if resource not in self._capacities:
            hint = nearest(resource, self._capacities)
            raise NetworkError(f"the network has no resource {resource!r}{hint}")
        check_capacity(resource, capacity)
        self._capacities[resource] = capacity
        now = self.env.now
        solver = self._shared_by.get(resource)
        route = self._private_of.get(resource)
        if solver is not None:
            solver.set_capacity(resource, capacity, now)
            if solver.count:
                self._touch(solver, now)
        elif route is not None:
            self._route_cap[route] = self._private_cap(route)
            flow = self._serving[route]
            if flow is not None and flow.state == SENDING:
                self._renew_cap(flow)
        elif capacity < inf:
            self._choose_again(now)

    def rate(self, flow: Flow) -> float:
        """Rate of a transfer in bytes/s as settled last; 0 unless it is being sent."""
        return self._solver[flow.route].rate(flow) if flow.state == SENDING else 0

    def left_bytes(self, flow: Flow) -> float:
        """Bytes that a transfer has left now; of a cancelled one, when it was cancelled."""
        if flow.state == SENDING:
            return self._solver[flow.route].left(flow, self.env.now)
        return flow.left

    def in_flight(self) -> list[Flow]:
        """The flows being sent, in the order in which they were asked for."""
        solvers = dict.fromkeys(self._solver)
        flows = [flow for solver in solvers for flow in solver.flows()]
        return sorted(flows, key=lambda flow: flow.sequence)

    def check_allocation(self, tolerance: float = 1e-9) -> int:
        """Prove that the rates are max-min fair, or raise AllocationError; return how many.

        Components with a change at this very instant are not settled yet, and left out.
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

    def _begin(self, flow: Flow, now: float) -> None:
        flow.start_s = now
        if not flow.size_bytes:
            self._count_settle(now)
            self._end(flow, now)
            return
        if self._changing is not None:
            self._changing.begins(self, flow.route)
        if self._pacer is not None:
            flow.cap = min(flow.cap, self._pacer.begins(flow))
        flow.state = SENDING
        route = flow.route
        solver = self._solver[route]
        if not solver.count:
            # Nothing of an earlier busy time may count, even if the clock was put back since.
            solver.generation += 1
            solver.wake_at = inf
            solver.touched = False
        cap = self._route_cap[route]
        solver.add(flow, flow.size_bytes, flow.cap if flow.cap < cap else cap, now)
        self._touch(solver, now)

    def _end(self, flow: Flow, now: float) -> None:
        flow.state = FINISHED
        flow.finish_s = now
        flow.left = 0
        if flow.size_bytes:
            self._over(flow)
        flow.done.succeed(flow)

    def _over(self, flow: Flow) -> None:
        """Tell those who follow transfers that one is over."""
        if self._pacer is not None:
            self._pacer.ends(flow)
        if self._changing is not None:
            self._changing.ends(flow.route)

    def _serve_next(self, route: int, now: float) -> None:
        """The route is free: begin the next flow that waits for it."""
        self._serving[route] = None
        waiting = self._waiting[route]
        while waiting:
            flow = waiting.popleft()
            if flow.state == WAITING:
                self._begin(flow, now)
                if flow.state == SENDING:
                    self._serving[route] = flow
                    return

    def _renew_cap(self, flow: Flow) -> None:
        now = self.env.now
        solver = self._solver[flow.route]
        solver.set_cap(flow, min(flow.cap, self._route_cap[flow.route]), now)
        self._touch(solver, now)

    def _touch(self, solver: Solver, now: float) -> None:
        """Have a changed solver solve once, when all changes of this instant are made."""
        if solver.at_once:
            self._solve(solver, now)
        elif not solver.touched:
            solver.touched = True
            Wake(self.env, self._callbacks, solver, SETTLE, 0)

    def _solve(self, solver: Solver, now: float) -> None:
        delay = solver.solve(now)
        wake_at = now + delay
        if wake_at != solver.wake_at:
            solver.generation += 1
            solver.wake_at = wake_at
            if wake_at < inf:
                Wake(self.env, self._callbacks, solver, solver.generation, delay)

    def _look_after(self, wake: Wake) -> None:
        solver = wake.solver
        if wake.generation == SETTLE:
            if not solver.touched:
                return
            solver.touched = False
        elif wake.generation == solver.generation:
            solver.wake_at = inf
        else:
            return
        now = self.env.now
        self._count_settle(now)
        due = solver.due(now)
        if due:
            for flow in due:
                self._end(flow, now)
            if self.fifo:
                for flow in due:
                    self._serve_next(flow.route, now)
            if solver.count and not solver.at_once:
                self._touch(solver, now)
        elif solver.count and not solver.touched:
            if not solver.at_once:
                self.solves += 1
            self._solve(solver, now)

    def _choose_again(self, now: float) -> None:
        """A resource left out as unlimited has a limit now: form the components anew."""
        flows = [(flow, self.left_bytes(flow)) for flow in self.in_flight()]
        for solver in self._solver:
            solver.generation += 1
            solver.touched = False
        self._choose()
        for flow, left in flows:
            solver = self._solver[flow.route]
            solver.add(flow, left, min(flow.cap, self._route_cap[flow.route]), now)
            self._touch(solver, now)

    def _count_settle(self, now: float) -> None:
        if self._standstill.count(now):
            raise self._standstill.error(len(self.in_flight()), self._sequence, self._latest)

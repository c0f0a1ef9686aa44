"""Any graph of shared resources: progressive filling of the flows that a change may affect.

The flows in flight form components that share nothing at the moment. A change costs in proportion to
its component, which is formed anew when flows connect several, or leave what they connected.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from math import inf

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.route_runs import ByRun
from cutlayer.sim.network.routes import Uses
from cutlayer.sim.network.solvers.component import Component
from cutlayer.sim.network.solvers.lazy_heap import LazyHeap
from cutlayer.sim.network.solvers.resource import Resource, Sender, separated
from cutlayer.sim.network.solvers.solver import SharingSolver, by_sequence


class Filling(SharingSolver):
    """The flows on several shared resources; `uses` has those of each route, with consumption."""

    form = "filling"

    def __init__(self, capacities: Mapping[str, float], uses: ByRun[Uses]) -> None:
        super().__init__()
        self._resources = {name: Resource(name, limit) for name, limit in capacities.items()}
        self._uses = uses.mapped(lambda used: tuple((self._resources[n], a) for n, a in used))
        self._senders: dict[Flow, Sender] = {}
        self._component_of: dict[Sender, Component] = {}
        # Not of resources without users or without a limit: these connect nothing.
        self._component_at: dict[Resource, Component] = {}
        self._changed: dict[Component, None] = {}
        self._ends: LazyHeap[Component] = LazyHeap()
        self._numbers = count(1)
        self._forget()

    def _forget(self) -> None:
        super()._forget()
        self._changed.clear()
        self._ends.clear()

    def add(self, flow: Flow, left_bytes: float, cap: float, now: float) -> None:
        sender = self._senders[flow] = Sender(flow, self._uses[flow.route], left_bytes, cap)
        for resource, _ in sender.uses:
            resource.users[sender] = None
        self._join(sender, now)
        self.count += 1

    def remove(self, flow: Flow, now: float) -> float:
        left = self.left(flow, now)
        sender = self._senders[flow]
        self._advance(self._component_of[sender], now)
        self._take_out(sender)
        self._settle_count()
        return left

    def set_cap(self, flow: Flow, cap: float, now: float) -> None:
        sender = self._senders[flow]
        component = self._component_of[sender]
        self._advance(component, now)
        component.set_limit(sender, cap)

    def set_capacity(self, resource: str, capacity: float, now: float) -> None:
        changed = self._resources[resource]
        before, changed.capacity = changed.capacity, capacity
        if before == capacity or not changed.users:
            return
        if inf in (before, capacity):
            self._form_anew(changed, now)
        elif (component := self._component_at.get(changed)) is not None:
            self._advance(component, now)
            component.set_capacity(changed)

    def due(self, now: float) -> list[Flow]:
        horizon = self._until(now)
        ended: list[Sender] = []
        for component in self._ends.pop_up_to(horizon):
            component.advance(now, horizon)
            self._changed[component] = None
            ended += component.ended()
        for sender in ended:
            self._take_out(sender)
        self._now = now
        self._settle_count()
        return sorted([sender.flow for sender in ended], key=by_sequence)

    def solve(self, now: float) -> float:
        self._now = now
        for component in list(self._changed):
            if component.torn and component.count:
                self._part(component)
        for component in self._changed:
            self._advance(component, now)
            component.number = next(self._numbers)
            if component.count:
                component.solve()
                if component.due_at < inf:
                    self._ends.push(component.due_at, component.number, component)
        self._changed.clear()
        self._ends.tidy_beyond(self.count)
        first = self._ends.first()
        self._due_end = inf if first is None else self._ends.first_key()
        delay = max(0, self._due_end - now)
        self._due_at = now + delay
        return delay

    def rate(self, flow: Flow) -> float:
        sender = self._senders[flow]
        return self._component_of[sender].rate(sender)

    def left(self, flow: Flow, now: float) -> float:
        sender = self._senders[flow]
        return self._component_of[sender].left(sender, now, self._until(now))

    def flows(self) -> Iterator[Flow]:
        return iter(self._senders)

    def load(self, resource: str) -> float:
        loaded = self._resources[resource]
        if (component := self._component_at.get(loaded)) is not None:
            return component.load(loaded)
        return sum(
            a * self._component_of[sender].rate(sender)
            for sender in loaded.users
            for used, a in sender.uses
            if used is loaded
        )

    def collect(self) -> dict[str, float]:
        until_now = {
            resource: self._now - component.now
            for component in dict.fromkeys(self._component_of.values())
            for resource in component.bottlenecks()
        }
        held = {}
        for name, resource in self._resources.items():
            since = until_now.get(resource, 0)
            if resource.bottleneck_s + since:
                held[name] = resource.bottleneck_s + since
            resource.bottleneck_s = -since
        return held

    def _advance(self, component: Component, now: float) -> None:
        """Bring the account of a component up to now, before it changes."""
        component.advance(now, self._until(now))
        self._changed[component] = None

    def _join(self, sender: Sender, now: float) -> None:
        """Add a flow to the component of its resources; several components become one."""
        at = self._component_at
        components = {c: None for resource, _ in sender.uses if (c := at.get(resource)) is not None}
        if len(components) == 1:
            (home,) = components
            self._advance(home, now)
        else:
            home = max(components, key=_count, default=None) or Component(now)
            self._advance(home, now)
            for component in components:
                if component is not home:
                    self._advance(component, now)
                    home.torn.update(component.torn)
                    self._move(list(component.senders()), component, home)
        self._place(sender, home)

    def _place(self, sender: Sender, component: Component) -> None:
        component.join(sender)
        self._component_of[sender] = component
        for resource, _ in sender.uses:
            if resource.capacity < inf:
                self._component_at[resource] = component

    def _move(self, senders: Iterable[Sender], component: Component, home: Component) -> None:
        for sender in senders:
            component.leave(sender)
            self._place(sender, home)

    def _take_out(self, sender: Sender) -> None:
        del self._senders[sender.flow]
        component = self._component_of.pop(sender)
        component.leave(sender)
        crossed = []
        for resource, _ in sender.uses:
            users = resource.users
            del users[sender]
            if not users:
                self._component_at.pop(resource, None)
            elif resource.capacity < inf:
                crossed.append(resource)
        if len(crossed) > 1:
            component.torn.update(dict.fromkeys(crossed))

    def _part(self, component: Component) -> None:
        """Move flows that are no longer connected with the rest to components of their own."""
        torn = [r for r in component.torn if self._component_at.get(r) is component]
        component.torn.clear()
        for part in separated(torn):
            home = Component(component.now)
            self._changed[home] = None
            for resource in part:
                senders = [s for s in resource.users if self._component_of[s] is component]
                self._move(senders, component, home)

    def _form_anew(self, resource: Resource, now: float) -> None:
        """Form the components of a resource's flows anew: it connects them from now on, or no more."""
        components = dict.fromkeys(self._component_of[sender] for sender in resource.users)
        senders = []
        for component in components:
            self._advance(component, now)
            for sender in list(component.senders()):
                component.leave(sender)
                senders.append(sender)
                for used, _ in sender.uses:
                    self._component_at.pop(used, None)
            component.torn.clear()
        for sender in senders:
            self._join(sender, now)

    def _settle_count(self) -> None:
        self.count = len(self._senders)
        if not self.count:
            self._forget()


def _count(component: Component) -> int:
    return component.count

"""Which solver for which routes: decided once, from the routes, per connected component.

A resource of a single route is private: it is no more than a cap on that route's flow, as long as
the route carries one flow at a time. A shared resource without a limit holds nobody and is left
out. What remains connects routes into components, and each gets the cheapest exact solver:

    alone     a route without a shared resource
    star      the routes of a component with one shared resource
    tree      the routes of a component whose shared resources are nested: whatever crosses one of
              them goes on over the same ones
    filling   all others
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from math import inf

from sim.network.alone import Alone
from sim.network.errors import NetworkError
from sim.network.fill import Uses
from sim.network.filling import Filling
from sim.network.flow import Route
from sim.network.solver import Solver
from sim.network.star import Star
from sim.network.tree import Tree


@dataclass(frozen=True, slots=True)
class Choice:
    """Per route its solver and its private resources; per resource who has it."""

    solver: tuple[Solver, ...]
    private: tuple[Uses, ...]
    shared_by: Mapping[str, Solver]
    private_of: Mapping[str, int]


def check_capacity(name: str, capacity: float) -> None:
    """Raise NetworkError unless the capacity is 0 or more; infinite is allowed."""
    if not capacity >= 0:
        raise NetworkError(
            f"resource {name!r}: the capacity must be 0 or more, or infinite, got {capacity!r}"
        )


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest known one, if there is one."""
    close = get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def consumptions(capacities: Mapping[str, float], routes: Sequence[Route]) -> list[Uses]:
    """Per route its resources with the total consumption per byte; unknown ones are errors."""
    result: list[Uses] = []
    for index, route in enumerate(routes):
        total: dict[str, float] = {}
        for name, consumption in route.resources:
            if name not in capacities:
                raise NetworkError(
                    f"route {index} crosses an unknown resource {name!r}{nearest(name, capacities)}"
                )
            if not 0 < consumption < inf:
                raise NetworkError(
                    f"route {index} on resource {name!r}: the consumption per byte must be positive"
                    f" and finite, got {consumption!r}"
                )
            total[name] = total.get(name, 0) + consumption
        result.append(tuple(total.items()))
    return result


def choose(
    capacities: Mapping[str, float], uses: Sequence[Uses], *, fifo: bool, general: bool
) -> Choice:
    """Group routes into components and give each its solver.

    Without `fifo` several flows may be on one route, so no resource is private to a flow. With
    `general` every component is solved by filling, as a check of the faster forms.
    """
    users: dict[str, list[int]] = {}
    for route, used in enumerate(uses):
        for name, _ in used:
            users.setdefault(name, []).append(route)
    one_at_a_time = fifo and not general
    private_of: dict[str, int] = {}
    shared: dict[str, list[int]] = {}
    for name, routes in users.items():
        if one_at_a_time and len(routes) == 1:
            private_of[name] = routes[0]
        elif capacities[name] < inf:
            shared[name] = routes
    solver: dict[int, Solver] = {}
    shared_by: dict[str, Solver] = {}
    for names, members in _components(shared, uses):
        solver_of_members: Solver
        if not names and one_at_a_time:
            solver_of_members = Alone()
        elif len(names) == 1 and not general:
            name = names[0]
            consumption = {route: dict(uses[route])[name] for route in members}
            solver_of_members = Star(name, capacities[name], consumption)
        elif not general and (chains := _nested(names, members, uses)) is not None:
            solver_of_members = Tree({name: capacities[name] for name in names}, chains)
        else:
            solver_of_members = Filling(
                {name: capacities[name] for name in names},
                {r: [(name, a) for name, a in uses[r] if name in shared] for r in members},
            )
        solver.update(dict.fromkeys(members, solver_of_members))
        shared_by.update(dict.fromkeys(names, solver_of_members))
    return Choice(
        solver=tuple(solver[route] for route in range(len(uses))),
        private=tuple(
            [(name, amount) for name, amount in used if name in private_of] for used in uses
        ),
        shared_by=shared_by,
        private_of=private_of,
    )


def _nested(
    names: Sequence[str], members: Sequence[int], uses: Sequence[Uses]
) -> dict[int, list[tuple[str, float]]] | None:
    """Return each route's resources from the lowest to the root, or None if they form no tree.

    The routes of two resources must be nested or disjoint. So the one with more routes is above,
    and a resource has the same one above it on all of its routes.
    """
    crossing = dict.fromkeys(names, 0)
    for route in members:
        for name, _ in uses[route]:
            if name in crossing:
                crossing[name] += 1
    place = {name: (crossing[name], -i) for i, name in enumerate(names)}
    above: dict[str, str | None] = {}
    chains = {}
    for route in members:
        chain = [(name, amount) for name, amount in uses[route] if name in place]
        chain.sort(key=lambda use: place[use[0]])
        order = [*(name for name, _ in chain), None]
        if len(order) == 1 or any(above.setdefault(a, b) != b for a, b in pairwise(order) if a):
            return None
        chains[route] = chain
    return chains


def _components(
    shared: Mapping[str, Sequence[int]], uses: Sequence[Uses]
) -> Iterator[tuple[list[str], list[int]]]:
    """Connected components as (shared resources, routes), each in the order of the routes."""
    seen_routes = [False] * len(uses)
    seen_names: dict[str, None] = {}
    for first in range(len(uses)):
        if seen_routes[first]:
            continue
        seen_routes[first] = True
        names: list[str] = []
        members = [first]
        for route in members:  # grows while we walk
            for name, _ in uses[route]:
                if name in shared and name not in seen_names:
                    seen_names[name] = None
                    names.append(name)
                    for other in shared[name]:
                        if not seen_routes[other]:
                            seen_routes[other] = True
                            members.append(other)
        yield names, sorted(members)

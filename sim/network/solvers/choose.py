"""Chooses the solver of each connected component of routes, once.

A resource of a single route is private: it only caps that route's flow, as long as the route carries
one flow at a time. A shared resource without a limit holds no flow back and is left out. The others
connect routes into components, and each component gets the cheapest exact solver:

    alone     a route without a shared resource
    star      the routes of a component with one shared resource
    tree      the routes of a component whose shared resources are nested: all routes over one of
              them go on over the same ones
    filling   all others
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from cutlayer.sim.network.route_runs import ByIndex, ByRun, OnDemand, Runs
from cutlayer.sim.network.routes import Uses
from cutlayer.sim.network.solvers.alone import Alone
from cutlayer.sim.network.solvers.any_graph import Filling
from cutlayer.sim.network.solvers.solver import Solver
from cutlayer.sim.network.solvers.star import Star
from cutlayer.sim.network.solvers.tree import Tree


@dataclass(frozen=True, slots=True)
class Choice:
    """The solver and the private resources of each route; the solver or the route of each resource.

    `private_of` does not have the private resources of routes in a run of several.
    """

    solver: ByIndex[Solver]
    private: ByIndex[Uses]
    shared_by: Mapping[str, Solver]
    private_of: Mapping[str, int]


def choose(
    capacities: Mapping[str, float],
    uses: Mapping[int, Uses],
    runs: Runs,
    *,
    fifo: bool,
    general: bool,
) -> Choice:
    """Group routes into components and give each its solver.

    Without `fifo` several flows may be on one route, so no resource is private to a flow. With
    `general` every component is solved by progressive filling, as a check of the faster solvers. The
    routes of each of `runs` are alike.
    """
    one_at_a_time = fifo and not general
    if not one_at_a_time:
        runs = Runs.apart(runs.count)
    firsts = [uses[start] for start in runs.starts]
    # The private resources of the first route of a run are those that its next one lacks.
    own = [
        {name for name, _ in uses[start]} - {name for name, _ in uses[start + (size > 1)]}
        for start, size in zip(runs.starts, runs.sizes(), strict=True)
    ]
    users: dict[str, list[int]] = {}
    crossing: dict[str, int] = {}
    for run, size in enumerate(runs.sizes()):
        for name, _ in firsts[run]:
            if name not in own[run]:
                users.setdefault(name, []).append(run)
                crossing[name] = crossing.get(name, 0) + size
    private_of: dict[str, int] = {}
    shared: dict[str, list[int]] = {}
    for name, members in users.items():
        if one_at_a_time and crossing[name] == 1:
            private_of[name] = runs.starts[members[0]]
        elif capacities[name] < inf:
            shared[name] = members
    of_run: list[Solver | None] = [None] * len(firsts)
    shared_by: dict[str, Solver] = {}
    for names, members in _components(shared, firsts):
        if not names and one_at_a_time:
            continue  # shares nothing: has a solver for each route
        routes = {runs.starts[run]: firsts[run] for run in members}
        solver = _solver_of(names, routes, crossing, capacities, runs, general=general)
        for run in members:
            of_run[run] = solver
        shared_by.update(dict.fromkeys(names, solver))

    def private(route: int) -> Uses:
        run = runs.run_of(route)
        mine = [name in private_of or name in own[run] for name, _ in firsts[run]]
        return tuple(use for use, is_mine in zip(uses[route], mine, strict=True) if is_mine)

    def solver_of(route: int) -> Solver:
        return of_run[runs.run_of(route)] or Alone()

    if runs.single:
        solvers = [solver_of(route) for route in range(runs.count)]
        privates = [private(route) for route in range(runs.count)]
        return Choice(solvers, privates, shared_by, private_of)
    return Choice(OnDemand(solver_of), OnDemand(private), shared_by, private_of)


def _solver_of(
    names: Sequence[str],
    routes: Mapping[int, Uses],
    crossing: Mapping[str, int],
    capacities: Mapping[str, float],
    runs: Runs,
    *,
    general: bool,
) -> Solver:
    """Return the solver of a component, given its shared resources and the first routes of its runs."""
    if len(names) == 1 and not general:
        name = names[0]
        amounts = {route: dict(used)[name] for route, used in routes.items()}
        return Star(name, capacities[name], ByRun(runs, amounts))
    limits = {name: capacities[name] for name in names}
    if not general and (chains := _nested(names, routes, crossing)) is not None:
        return Tree(limits, ByRun(runs, chains))
    kept = {route: [use for use in used if use[0] in limits] for route, used in routes.items()}
    return Filling(limits, ByRun(runs, kept))


def _nested(
    names: Sequence[str], routes: Mapping[int, Uses], crossing: Mapping[str, int]
) -> dict[int, list[tuple[str, float]]] | None:
    """Return each route's resources from the lowest to the root, or None if they form no tree.

    The routes of two resources must be nested or disjoint: the one with more routes is then above,
    and a resource has the same one above it on all of its routes.
    """
    height = {name: (crossing[name], -i) for i, name in enumerate(names)}
    above: dict[str, str | None] = {}
    chains = {}
    for route, used in routes.items():
        chain = [(name, amount) for name, amount in used if name in height]
        chain.sort(key=lambda use: height[use[0]])
        order = [*(name for name, _ in chain), None]
        if len(order) == 1 or any(above.setdefault(a, b) != b for a, b in pairwise(order) if a):
            return None
        chains[route] = chain
    return chains


def _components(
    shared: Mapping[str, Sequence[int]], uses: Sequence[Uses]
) -> Iterator[tuple[list[str], list[int]]]:
    """Yield connected components as (shared resources, routes), each in the order of the routes."""
    seen_routes = [False] * len(uses)
    seen_names: dict[str, None] = {}
    for first in range(len(uses)):
        if seen_routes[first]:
            continue
        seen_routes[first] = True
        names: list[str] = []
        members = [first]
        for route in members:  # grows during the loop
            for name, _ in uses[route]:
                if name in shared and name not in seen_names:
                    seen_names[name] = None
                    names.append(name)
                    for other in shared[name]:
                        if not seen_routes[other]:
                            seen_routes[other] = True
                            members.append(other)
        yield names, sorted(members)

"""The cost of a transfer: the network against a naive solver in the same run.

    python benchmarks/network.py [--flows 1000000]

Prints microseconds of one core per transfer, SimPy's events included: first for messages back and
forth among a few clients, then for many transfers at a time on one link, a star, a tree of two tiers
(n / 100 edges, at most 1,000) and a random graph (each over 3 of 60 links). The naive solver computes
all rates anew at every end; its ends are compared with the network's. Memory is the peak growth of the
process; each case has a process of its own. A large graph is run for its first solves only, whose
number is printed. The exponent is the growth of time from the row above; n log n is a bit over 1.
"""

import argparse
import gc
import multiprocessing
import random
import resource
from bisect import bisect_right
from itertools import accumulate
from math import inf, isclose, log10
from time import process_time
from typing import NamedTuple

from simpy import Environment

from cutlayer.sim.network import Network
from cutlayer.sim.network.solvers.max_min import share_out

NAIVE_UP_TO = 10_000
NAIVE_BY_FILLING_UP_TO = 1000


class Route(NamedTuple):
    resources: tuple[tuple[str, float], ...]
    delay_s: float = 0.0


def messages(clients: int, server: float, count: int, *, general: bool = False) -> float:
    """Seconds for `count` messages in all, one at a time per client, pauses in between."""
    env = Environment()
    resources = {f"link{i}": 1e7 for i in range(clients)} | {"server": server}
    routes = [Route(((f"link{i}", 1), ("server", 1))) for i in range(clients)]
    network = Network(env, resources, routes, general=general)

    def client(route: int):
        for _ in range(count // clients):
            yield network.start(route, 1e5).done
            yield env.timeout(0.001)

    for route in range(clients):
        env.process(client(route))
    started = process_time()
    env.run()
    return process_time() - started


class World(NamedTuple):
    """A burst: capacities, a route, a size and a cap for each flow, and how many solves to run."""

    resources: dict[str, float]
    routes: list[Route]
    sizes: list[float]
    caps: list[float]
    solves: int


def world(shape: str, flows: int) -> World:
    """A burst of `flows` flows; the shared link, or the root, gives 1 byte/s in all."""
    draw = random.Random(flows)
    sizes = [draw.expovariate(1.0) for _ in range(flows)]
    caps = [inf if shape == "one link" else draw.uniform(0, 4) / flows for _ in sizes]
    if shape == "graph":
        resources = {f"r{k}": draw.uniform(0.5, 1.5) / 20 for k in range(60)}
        routes = [Route(tuple((f"r{k}", 1) for k in draw.sample(range(60), 3))) for _ in sizes]
        return World(resources, routes, sizes, caps, flows if flows <= 1000 else 30)
    resources = {f"link{i}": cap for i, cap in enumerate(caps)} | {"server": 1.0}
    edges = max(1, min(1000, flows // 100)) if shape == "tree" else 0
    resources |= {f"edge{k}": draw.uniform(0.7, 1.5) / edges for k in range(edges)}
    routes = []
    for i in range(flows):
        between = ((f"edge{i % edges}", 1),) if edges else ()
        routes.append(Route(((f"link{i}", 1), *between, ("server", 1))))
    return World(resources, routes, sizes, caps, flows)


def burst(shape: str, flows: int) -> tuple[float, int, float, list[float]]:
    """Seconds, solves, MiB and ends for transfers that start together."""
    made = world(shape, flows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    env = Environment()
    network = Network(env, made.resources, made.routes)
    started = process_time()
    sent = [network.start(route, size) for route, size in enumerate(made.sizes)]
    if made.solves < flows:
        while network.solves < made.solves:
            env.step()
    else:
        env.run()
    seconds = process_time() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return seconds, network.solves, grown / 1024, [flow.finish_s for flow in sent]


def alone(shape: str, flows: int) -> tuple[float, int, float, list[float]]:
    """Run a burst in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(burst, (shape, flows))


def naive_by_filling(made: World) -> tuple[float, list[float]]:
    """Seconds and ends on any shape, by filling all links anew at every end."""
    started = process_time()
    now, ends, left = 0.0, [inf] * len(made.sizes), list(made.sizes)
    going = list(range(len(left)))
    while going:
        uses = [made.routes[f].resources for f in going]
        rates, _ = share_out(made.resources, [1.0] * len(going), [inf] * len(going), uses)
        waits = [left[f] / rate for f, rate in zip(going, rates, strict=True)]
        wait = min(waits)
        now += wait
        for f, rate in zip(going, rates, strict=True):
            left[f] -= rate * wait
        for f, its_wait in zip(going, waits, strict=True):
            if its_wait == wait:
                ends[f] = now
        going = [f for f in going if ends[f] == inf]
    return process_time() - started, ends


def naive(caps: list[float], sizes: list[float]) -> tuple[float, list[float]]:
    """Seconds and ends of the same by computing every rate anew at every end."""
    started = process_time()
    now, ends, left = 0.0, [inf] * len(caps), list(sizes)
    order = sorted(range(len(caps)), key=caps.__getitem__)
    while order:
        n = len(order)
        spent = list(accumulate((caps[f] for f in order), initial=0.0))
        # The flows with the k smallest caps are capped as long as the rest could share a level
        # above the next cap.
        capped = bisect_right(range(n), 0.0, key=lambda k: caps[order[k]] * (n - k) + spent[k] - 1)
        level = (1 - spent[capped]) / (n - capped) if capped < n else inf
        rates = [min(caps[f], level) for f in order]
        waits = [left[f] / rate for f, rate in zip(order, rates, strict=True)]
        wait = min(waits)
        now += wait
        for f, rate in zip(order, rates, strict=True):
            left[f] -= rate * wait
        over = {f for f, its_wait in zip(order, waits, strict=True) if its_wait == wait}
        for f in over:
            ends[f] = now
        order = [f for f in order if f not in over]
    return process_time() - started, ends


def main(most: int) -> None:
    count = 100_000
    print(f"{'messages':<34}{'clients':>8}{'us/transfer':>13}")
    for name, clients, server, general in (
        ("alone, server without a limit", 1, inf, False),
        ("alone, server without a limit", 20, inf, False),
        ("star, links are the bottleneck", 20, 1e9, False),
        ("star, server is the bottleneck", 20, 1e8, False),
        ("the same by filling", 20, 1e8, True),
    ):
        seconds = min(messages(clients, server, count, general=general) for _ in range(3))
        print(f"{name:<34}{clients:>8}{seconds / count * 1e6:>13.1f}")
    print()
    print(
        f"{'burst':<10}{'flows':>8}{'solves':>9}{'s':>9}{'us/flow':>9}{'ms/solve':>10}{'MiB':>8}"
        f"{'exponent':>10}{'naive s':>10}{'ratio':>8}"
    )
    of_star: dict[int, float] = {}
    for shape in ("one link", "star", "tree", "graph"):
        flows, before = 100, 0.0
        while flows <= (most if shape != "graph" else min(most, 100_000)):
            print(_line(shape, flows, before, of_star), flush=True)
            before = of_star[-flows]
            flows *= 10
    largest = max(flows for flows in of_star if flows > 0)
    ratio = of_star[-1] / of_star[largest]
    print(f"\ntree / star at {largest} flows: {ratio:.1f} times as long")


def _line(shape: str, flows: int, before: float, known: dict[int, float]) -> str:
    """Run one case; `known` gets its seconds under -flows, a star's under flows, a tree's under -1."""
    gc.collect()
    seconds, solves, memory, ends = alone(shape, flows)
    known[-flows] = seconds
    if shape == "star":
        known[flows] = seconds
    if shape == "tree":
        known[-1] = seconds
    whole = solves >= flows * 0.9
    line = f"{shape:<10}{flows:>8}{solves:>9}{seconds:>9.3f}"
    line += f"{seconds / flows * 1e6:>9.1f}" if whole else f"{'':>9}"
    line += f"{seconds / solves * 1e3:>10.3f}{memory:>8.0f}"
    line += f"{log10(seconds / before):>10.2f}" if before and whole else f"{'':>10}"
    if shape in ("tree", "graph") and flows <= NAIVE_BY_FILLING_UP_TO:
        slow, expected = naive_by_filling(world(shape, flows))
    elif shape in ("one link", "star") and flows <= NAIVE_UP_TO:
        made = world(shape, flows)
        slow, expected = naive(made.caps, made.sizes)
    else:
        return line
    assert all(isclose(a, b, rel_tol=1e-9) for a, b in zip(ends, expected, strict=True))
    return line + f"{slow:>10.3f}{slow / seconds:>8.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--flows", type=int, default=100_000, help="the most at a time")
    main(parser.parse_args().flows)

"""What a transfer costs: the network against a naive solver in the same run.

    python benchmarks/network.py

Prints microseconds of one core per transfer, SimPy's events included: first for messages back and
forth among a few clients, then for many transfers at a time on one link and on a star. The naive
solver computes all rates anew at every end; its ends are compared with the network's.
"""

import gc
import random
from bisect import bisect_right
from itertools import accumulate
from math import inf, isclose
from time import process_time
from typing import NamedTuple

from simpy import Environment

from sim.network import Network

NAIVE_UP_TO = 10_000


class Way(NamedTuple):
    resources: tuple[tuple[str, float], ...]
    delay_s: float = 0.0


def messages(clients: int, server: float, count: int, *, general: bool = False) -> float:
    """Seconds for `count` messages in all, one at a time per client, pauses in between."""
    env = Environment()
    resources = {f"link{i}": 1e7 for i in range(clients)} | {"server": server}
    ways = [Way(((f"link{i}", 1), ("server", 1))) for i in range(clients)]
    network = Network(env, resources, ways, general=general)

    def client(route: int):
        for _ in range(count // clients):
            yield network.start(route, 1e5).done
            yield env.timeout(0.001)

    for route in range(clients):
        env.process(client(route))
    started = process_time()
    env.run()
    return process_time() - started


def burst(caps: list[float], sizes: list[float]) -> tuple[float, int, list[float]]:
    """Seconds, solves and ends for transfers that start together and share one link."""
    env = Environment()
    resources = {f"link{i}": cap for i, cap in enumerate(caps)} | {"server": 1.0}
    ways = [Way(((f"link{i}", 1), ("server", 1))) for i in range(len(caps))]
    network = Network(env, resources, ways)
    started = process_time()
    flows = [network.start(route, size) for route, size in enumerate(sizes)]
    env.run()
    seconds = process_time() - started
    return seconds, network.solves, [flow.finish_s for flow in flows]


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


def main() -> None:
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
        f"{'burst':<10}{'flows':>8}{'solves':>9}{'s':>9}{'us/flow':>9}{'naive s':>10}{'ratio':>8}"
    )
    for shape, largest in (("one link", 10_000), ("star", 100_000)):
        flows = 100
        while flows <= largest:
            draw = random.Random(flows)
            sizes = [draw.expovariate(1.0) for _ in range(flows)]
            caps = [inf if shape == "one link" else draw.uniform(0, 4) / flows for _ in sizes]
            gc.collect()
            seconds, solves, ends = burst(caps, sizes)
            line = f"{shape:<10}{flows:>8}{solves:>9}{seconds:>9.3f}{seconds / flows * 1e6:>9.1f}"
            if flows <= NAIVE_UP_TO:
                slow, expected = naive(caps, sizes)
                assert all(isclose(a, b, rel_tol=1e-9) for a, b in zip(ends, expected, strict=True))
                line += f"{slow:>10.3f}{slow / seconds:>8.1f}"
            print(line)
            flows *= 10


if __name__ == "__main__":
    main()

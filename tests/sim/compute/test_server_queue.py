"""The server's queue: exactly against a recursion, and on average against queueing theory."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import sqrt
from statistics import mean, stdev

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.compute.queueing import FirstComeFirstServed, ServerQueue
from cutlayer.sim.compute.stage import Work
from cutlayer.streams import generator

T_10 = 4.781  # Student's t, 9 degrees of freedom, 99.9 % two-sided
REPLICATIONS, JOBS, WARM_UP = 10, 12_000, 600


class Ticket:
    """A job that logs its start, or where jobs interleave, its end and its time on a slot."""

    def __init__(
        self,
        number: int,
        log: list[tuple[int, float]],
        seconds: float = 1.0,
        device: str = "any",
        overhead: float = 0.0,
    ) -> None:
        self.number = number
        self.log = log
        self.owner = self
        self.device = device
        self.work = Work(seconds, 0.0, overhead)
        self.had = 0.0

    def began(self, now: float, seconds: float) -> None:
        self.log.append((self.number, now))
        self.had = seconds

    def interleaved(self, end: float, seconds: float) -> None:
        self.log.append((self.number, end))
        self.had = seconds


Make = Callable[[simpy.Environment], ServerQueue]


def run_queue(
    make: Make, arrivals: list[float], seconds: list[float], devices: list[str] | None = None
):
    """Return (job, start) in order of starting, (job, end) in order of ending, and the queue.

    Where jobs interleave, the first list has their ends too.
    """
    env = simpy.Environment()
    queue = make(env)
    names = devices or ["any"] * len(arrivals)
    began: list[tuple[int, float]] = []
    ended: list[tuple[int, float]] = []

    def arrive():
        for number, (at, length) in enumerate(zip(arrivals, seconds, strict=True)):
            yield env.timeout(at - env.now)
            done = queue.submit(Ticket(number, began, length, names[number]), number)
            done.callbacks.append(lambda event: ended.append((event.value, env.now)))

    env.process(arrive())
    env.run()
    return began, ended, queue


def fifo(slots: int) -> Make:
    return lambda env: FirstComeFirstServed(env, slots)


def starts_of(slots: int, arrivals: list[float], seconds: list[float]) -> list[float]:
    """Kiefer and Wolfowitz: each job takes the slot that is free first."""
    free = [0.0] * slots
    heapify(free)
    starts = []
    for at, length in zip(arrivals, seconds, strict=True):
        starts.append(max(at, heappop(free)))
        heappush(free, starts[-1] + length)
    return starts


jobs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40)


@given(jobs, st.integers(1, 4))
def test_first_come_first_served_and_never_more_than_the_slots(steps, slots):
    arrivals = np.cumsum([step for step, _ in steps]).astype(float).tolist()
    seconds = [float(length) for _, length in steps]
    began, ended, queue = run_queue(fifo(slots), arrivals, seconds)
    assert [number for number, _ in began] == list(range(len(steps)))
    assert [start for _, start in began] == starts_of(slots, arrivals, seconds)
    starts = dict(began)
    assert dict(ended) == {n: starts[n] + seconds[n] for n in starts}
    spans = [(starts[n], starts[n] + seconds[n]) for n in starts if seconds[n] > 0]
    for time, _ in spans:
        assert sum(start <= time < end for start, end in spans) <= slots
    assert queue.idle


def test_idle_only_when_nothing_runs_or_waits():
    env = simpy.Environment()
    queue = FirstComeFirstServed(env, 2)
    log: list[tuple[int, float]] = []
    assert queue.idle
    for number in range(3):
        queue.submit(Ticket(number, log))
        assert not queue.idle
    env.run(until=1.5)
    assert not queue.idle  # the third runs
    env.run()
    assert queue.idle
    assert log == [(0, 0), (1, 0), (2, 1)]


def mean_wait(
    slots: int,
    arrival_rate: float,
    service: Callable[[np.random.Generator, int], np.ndarray],
    replication: int,
) -> float:
    stream = generator(replication, "queue")
    arrivals = np.cumsum(stream.exponential(1 / arrival_rate, JOBS)).tolist()
    seconds = service(stream, JOBS).tolist()
    began, _, _ = run_queue(fifo(slots), arrivals, seconds)
    return mean(start - arrivals[number] for number, start in began[WARM_UP:])


def exponential(rate: float):
    return lambda stream, n: stream.exponential(1 / rate, n)


def erlang_wait(arrival_rate: float, rate: float, slots: int) -> float:
    """Mean wait of M/M/c by Erlang's recursion."""
    offered = arrival_rate / rate
    blocked = 1.0
    for k in range(1, slots + 1):
        blocked = offered * blocked / (k + offered * blocked)
    waits = slots * blocked / (slots - offered * (1 - blocked))
    return waits / (slots * rate - arrival_rate)


@pytest.mark.parametrize(
    ("slots", "arrival_rate", "service", "theory"),
    [
        (1, 0.6, exponential(1.0), 1 / (1 - 0.6) - 1),  # M/M/1: W = 1/(mu - lambda)
        (3, 2.1, exponential(1.0), erlang_wait(2.1, 1.0, 3)),
        (1, 0.7, lambda stream, n: np.ones(n), 0.7 / (2 * (1 - 0.7))),  # M/D/1
        # M/G/1 (Pollaczek and Khinchine) with uniform service on 0..2: E[s^2] = 4/3
        (1, 0.6, lambda stream, n: stream.uniform(0, 2, n), 0.6 * 4 / 3 / (2 * (1 - 0.6))),
    ],
    ids=["M/M/1", "M/M/3", "M/D/1", "M/U/1"],
)
def test_mean_wait_is_that_of_theory(slots, arrival_rate, service, theory):
    waits = [mean_wait(slots, arrival_rate, service, i) for i in range(REPLICATIONS)]
    half_width = T_10 * stdev(waits) / sqrt(REPLICATIONS)
    assert abs(mean(waits) - theory) < half_width
    assert half_width < 0.2 * theory  # else the comparison has no power


def test_erlang_with_one_slot_is_m_m_1():
    assert erlang_wait(0.6, 1.0, 1) == pytest.approx(1.5)

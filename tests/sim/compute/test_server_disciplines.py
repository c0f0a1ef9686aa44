"""Priority, processor sharing and batching: against slow twins and queueing theory."""

from math import sqrt
from statistics import mean, stdev

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from test_server_queue import (
    REPLICATIONS,
    T_10,
    Ticket,
    erlang_wait,
    exponential,
    run_queue,
)

from cutlayer.sim.compute.queueing import Batching, Priority, ProcessorSharing
from cutlayer.streams import generator

JOBS, WARM_UP = 12_000, 600

jobs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=30)


def sharing(slots):
    return lambda env: ProcessorSharing(env, slots)


def shared_ends(slots, arrivals, seconds):
    """The slow twin: the remainders of all jobs, from one arrival or departure to the next."""
    left, ends, now = {}, {}, 0.0
    waiting = sorted(range(len(arrivals)), key=lambda n: (arrivals[n], n))
    while left or waiting:
        share = min(1.0, slots / len(left)) if left else 1.0
        departure = now + min(left.values()) / share if left else np.inf
        arrival = arrivals[waiting[0]] if waiting else np.inf
        then = min(departure, arrival)
        left = {n: rest - (then - now) * share for n, rest in left.items()}
        now = then
        for n in [n for n, rest in left.items() if rest <= 1e-9]:
            ends[n] = now
            del left[n]
        while waiting and arrivals[waiting[0]] <= now:
            n = waiting.pop(0)
            left[n] = seconds[n]
            if seconds[n] == 0:
                ends[n] = now
                del left[n]
    return ends


@given(jobs, st.integers(1, 4))
def test_processor_sharing_ends_when_its_slow_twin_does(steps, slots):
    arrivals = np.cumsum([step for step, _ in steps]).astype(float).tolist()
    seconds = [float(length) for _, length in steps]
    _, ended, queue = run_queue(sharing(slots), arrivals, seconds)
    expected = shared_ends(slots, arrivals, seconds)
    assert dict(ended) == pytest.approx(expected, abs=1e-6)
    assert queue.idle


def test_shares_change_with_every_arrival_and_departure():
    # One slot: the second comes when the first has had 1 s of its 2; then each has half.
    _, ended, _ = run_queue(sharing(1), [0.0, 1.0], [2.0, 3.0])
    assert ended == [(0, 3.0), (1, 5.0)]
    # Two slots: two are alone with theirs, three have two thirds.
    _, ended, _ = run_queue(sharing(2), [0.0, 0.0, 0.0], [2.0, 2.0, 2.0])
    assert [end for _, end in ended] == pytest.approx([3.0, 3.0, 3.0])


def mean_sojourn(make, arrival_rate, service, replication):
    stream = generator(replication, "sharing")
    arrivals = np.cumsum(stream.exponential(1 / arrival_rate, JOBS)).tolist()
    seconds = service(stream, JOBS).tolist()
    _, ended, _ = run_queue(make, arrivals, seconds)
    return mean(end - arrivals[number] for number, end in ended if number >= WARM_UP)


def heavy(stream, n):
    """Hyperexponential, mean 1: one in ten jobs is long, squared coefficient of variation 4.1."""
    long = stream.random(n) < 0.1
    return np.where(long, stream.exponential(5.5, n), stream.exponential(0.5, n))


@pytest.mark.parametrize(
    ("slots", "arrival_rate", "service", "theory"),
    [
        (1, 0.6, exponential(1.0), 1 / (1 - 0.6)),
        (1, 0.6, lambda stream, n: np.ones(n), 1 / (1 - 0.6)),
        (1, 0.6, heavy, 1 / (1 - 0.6)),
        (3, 2.1, exponential(1.0), 1 + erlang_wait(2.1, 1.0, 3)),
    ],
    ids=["M/M/1-PS", "M/D/1-PS", "M/H2/1-PS", "M/M/3-PS"],
)
def test_mean_sojourn_under_sharing_depends_on_the_mean_service_alone(
    slots, arrival_rate, service, theory
):
    """Kleinrock (1967): E[T] = E[S] / (1 - rho), whatever the distribution of the service time."""
    times = [mean_sojourn(sharing(slots), arrival_rate, service, i) for i in range(REPLICATIONS)]
    half_width = T_10 * stdev(times) / sqrt(REPLICATIONS)
    assert abs(mean(times) - theory) < half_width
    assert half_width < 0.15 * theory


def test_waits_under_priority_are_cobhams():
    """Cobham (1954), M/G/1: W_k = W_0 / ((1 - s_(k-1)) (1 - s_k)), s_k = rho_1 + ... + rho_k."""
    rates, rate = (0.3, 0.4), 0.7
    residual = rate * 2 / 2  # lambda E[S^2] / 2 with exponential service of mean 1
    theory = residual / (1 - 0.3), residual / ((1 - 0.3) * (1 - 0.7))
    measured = ([], [])
    for replication in range(REPLICATIONS):
        stream = generator(replication, "priority")
        arrivals = np.cumsum(stream.exponential(1 / rate, JOBS)).tolist()
        seconds = stream.exponential(1.0, JOBS).tolist()
        urgent = stream.random(JOBS) < rates[0] / rate
        names = ["urgent" if one else "patient" for one in urgent]
        began, _, _ = run_queue(
            lambda env: Priority(env, 1, first=["urgent"]), arrivals, seconds, names
        )
        for group, name in zip(measured, ("urgent", "patient"), strict=True):
            waits = [at - arrivals[n] for n, at in began if names[n] == name and n >= WARM_UP]
            group.append(mean(waits))
    for waits, expected in zip(measured, theory, strict=True):
        half_width = T_10 * stdev(waits) / sqrt(REPLICATIONS)
        assert abs(mean(waits) - expected) < half_width
        assert half_width < 0.3 * expected


def test_urgent_jobs_overtake_but_do_not_interrupt():
    began, _, _ = run_queue(
        lambda env: Priority(env, 1, first=["a", "b"]),
        [0.0, 1.0, 2.0, 3.0, 4.0],
        [10.0] * 5,
        ["c", "c", "b", "a", "b"],
    )
    assert [number for number, _ in began] == [0, 3, 2, 4, 1]


def batched(most, wait, slots=1):
    return lambda env: Batching(env, slots, most=most, wait=wait)


def batch_ends(arrivals, overhead, rest, *, most, wait):
    env = simpy.Environment()
    queue = batched(most, wait)(env)
    ends = {}

    def arrive():
        for number, at in enumerate(arrivals):
            yield env.timeout(at - env.now)
            done = queue.submit(Ticket(number, [], overhead + rest, overhead=overhead), number)
            done.callbacks.append(lambda event: ends.__setitem__(event.value, env.now))

    env.process(arrive())
    env.run()
    assert queue.idle
    return ends


def test_a_batch_pays_its_overhead_once():
    # Three at once, 1 s of overhead and 2 s of work each: 1 + 3 * 2.
    assert batch_ends([0, 0, 0], 1.0, 2.0, most=3, wait=5.0) == {0: 7, 1: 7, 2: 7}
    assert batch_ends([0, 0, 0], 0.0, 2.0, most=3, wait=5.0) == {0: 6, 1: 6, 2: 6}


def test_a_slot_waits_for_its_batch_but_not_for_long():
    assert batch_ends([0, 3], 1.0, 2.0, most=3, wait=5.0) == {0: 10, 1: 10}  # from 5: 1 + 2 * 2
    assert batch_ends([0, 6], 1.0, 2.0, most=3, wait=5.0) == {0: 8, 1: 14}
    assert batch_ends([0, 0, 0], 1.0, 2.0, most=2, wait=0.0) == {0: 3, 1: 8, 2: 8}


@given(jobs, st.integers(2, 5), st.integers(1, 3))
def test_every_job_gets_its_turn_and_its_share_of_the_log(steps, most, slots):
    arrivals = np.cumsum([step for step, _ in steps]).astype(float).tolist()
    seconds = [float(length) for _, length in steps]
    for make in (sharing(slots), batched(most, 2.0, slots)):
        env = simpy.Environment()
        queue = make(env)
        tickets = [Ticket(n, [], length) for n, length in enumerate(seconds)]

        def arrive(env=env, queue=queue, tickets=tickets):
            for at, ticket in zip(arrivals, tickets, strict=True):
                yield env.timeout(at - env.now)
                queue.submit(ticket)

        env.process(arrive())
        env.run()
        assert queue.idle
        assert sum(t.had for t in tickets) == pytest.approx(sum(seconds))


def test_jobs_that_leave_give_up_their_share():
    env = simpy.Environment()
    queue = ProcessorSharing(env, 1)
    stays, leaves = Ticket(0, [], 4.0), Ticket(1, [], 4.0)
    done = queue.submit(stays)
    queue.submit(leaves)
    env.run(until=2.0)
    queue.withdraw(leaves)
    assert leaves.had == pytest.approx(1.0)
    env.run(until=done)
    assert env.now == pytest.approx(5.0)


@pytest.mark.parametrize("make", [sharing(2), batched(3, 0.5, 2)])
def test_slots_that_share_the_device_are_slower(make):
    env = simpy.Environment()
    queue = make(env)
    queue.slowness = 2.0
    done = queue.submit(Ticket(0, [], 3.0))
    env.run(until=done)
    assert env.now == pytest.approx(6.0 if isinstance(queue, ProcessorSharing) else 6.5)

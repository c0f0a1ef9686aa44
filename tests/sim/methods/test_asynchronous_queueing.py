"""Asynchronous clients as a closed queueing network: N clients and one server (machine-repairman).

A client computes for an exponential time of mean Z: a gamma jitter with a spread of 1. Its update is
then a job of the server. The server's times are exponential only with a test double of its work, since
the simulator's do not vary; without it, bounds hold for every distribution.

A law's value lies in the t-interval over independent replications, of fixed seeds.
"""

from math import perm, sqrt

import numpy as np
import pytest
from scipy.stats import t as student
from tiny_worlds import Device, make_method, played

from cutlayer.sim.compute.variability import VariabilitySettings
from cutlayer.topologies.jitter import Jitter

CLIENTS, REPLICATIONS, UPDATES, WARM_UP = 4, 16, 400, 80
THINKING_S = 2.92  # of two samples at 1,000 FLOP/s
MISSED = 1e-3
FAST = Device(samples=2, up=1e15, down=1e15, delay=0.0)


def replicate(seed: int, service_s: float, *, exponential: bool) -> tuple[float, float]:
    """Return the updates per second and the mean number of updates at the server."""
    options = {"window": {"updates": UPDATES}}
    speed = 260 / service_s  # a fold takes 260 FLOP
    method = make_method(
        "fedasync", [FAST] * CLIENTS, options=options, server_speed=speed, seed=seed
    )
    settings = VariabilitySettings(jitter=Jitter("gamma", 1.0))
    method.world.fleet.variability_settings = dict.fromkeys(range(CLIENTS), settings)
    if exponential:
        rng = np.random.default_rng(seed)
        method.world.server.seconds = lambda job: rng.exponential(job.work.seconds)
    updates = played(method).updates[WARM_UP:]
    elapsed_s = updates[-1].folded_s - updates[0].folded_s
    throughput = (len(updates) - 1) / elapsed_s
    at_server_s = float(np.mean([u.folded_s - u.uploaded_s for u in updates]))
    return throughput, throughput * at_server_s  # Little's law


@pytest.mark.parametrize("service_s", [0.4, 1.5])
def test_throughput_and_queue_are_those_of_the_machine_repairman(service_s):
    """M/M/1//N: P0 = 1 / sum N!/(N-k)! rho^k, throughput (1 - P0) / s, number N - throughput Z."""
    rho = service_s / THINKING_S
    empty = 1 / sum(perm(CLIENTS, k) * rho**k for k in range(CLIENTS + 1))
    throughput = (1 - empty) / service_s
    expected = np.array([throughput, CLIENTS - throughput * THINKING_S])
    found = np.array([replicate(seed, service_s, exponential=True) for seed in range(REPLICATIONS)])
    half = student.ppf(1 - MISSED / 2, REPLICATIONS - 1) * found.std(0, ddof=1) / sqrt(REPLICATIONS)
    assert (half < 0.15 * expected).all(), "too wide to tell anything"
    assert (np.abs(found.mean(0) - expected) < half).all(), (found.mean(0), expected, half)


@pytest.mark.parametrize("service_s", [0.4, 1.5])
def test_throughput_lies_within_the_bounds_for_any_service(service_s):
    """N / (Z + N s) <= throughput <= min(1 / s, N / (Z + s)) (Denning and Buzen, 1978)."""
    throughput, at_server = np.mean(
        [replicate(seed, service_s, exponential=False) for seed in range(3)], axis=0
    )
    most = min(1 / service_s, CLIENTS / (THINKING_S + service_s))
    assert CLIENTS / (THINKING_S + CLIENTS * service_s) < throughput < most * 1.02
    assert service_s * throughput < at_server < CLIENTS

"""Delays of messages on one connection: drawn around their mean, and in order."""

import itertools

import numpy as np
import pytest

from cutlayer.sim.network.propagation import Propagation
from cutlayer.topologies.jitter import Jitter


def test_a_message_never_overtakes_the_one_before():
    travel = Propagation(0.05, ((0.04, Jitter("gamma", 1.0)),), np.random.default_rng(0))
    sent = np.arange(200) * 0.001
    arrivals = [now + travel.delay_s(float(now)) for now in sent]
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(arrivals))
    assert min(np.array(arrivals) - sent) >= 0.01 - 1e-12  # the part without jitter


def test_messages_far_apart_keep_the_mean():
    travel = Propagation(0.05, ((0.04, Jitter("lognormal", 0.3)),), np.random.default_rng(1))
    delays = [travel.delay_s(float(now)) for now in range(4000)]
    assert np.mean(delays) == pytest.approx(0.05, abs=6 * 0.012 / 4000**0.5)

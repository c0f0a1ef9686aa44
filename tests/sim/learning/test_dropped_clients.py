"""A dropped client leaves no trace: the round is as if it had not been sampled."""

from math import inf

import pytest
import torch
from tiny_runs import Inside

from cutlayer.sim.endpoints.fleet import Presence

CLIENTS = 3
METHODS = {
    "classic_fl": "methods=[classic_fl]",
    "splitfed": "methods=[splitfed]",
    "fedyogi": "methods=[{fedprox: {aggregation: {fedyogi: {lr: 0.01}}}}]",
    "local_loss": "methods=[local_loss]",
    "aligned": "methods=[{local_loss: {auxiliary: aligned, align_every: 2}}]",
    "fedgkt": "methods=[fedgkt]",
    "ecofed": "methods=[{ecofed: {init: random, period: 3}}]",
}


class Until:
    """Online until `moment`, or only from `moment` on."""

    def __init__(self, moment, online_first=True):
        self.moment = moment
        self.online_first = online_first

    def piece(self, t):
        before = t < self.moment
        return float(before == self.online_first), (self.moment if before else inf)


def with_churn(overrides, presences, rounds=2):
    inside = Inside(overrides)
    inside.method.world.fleet.presences = presences
    return inside.train(rounds=rounds)


def states_equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_dropped_client_leaves_the_same_bits_as_an_absent_one(name):
    moment = 0.5 * Inside(METHODS[name]).train(rounds=1).result.virtual_time_s
    dropped = with_churn(METHODS[name], {1: Presence(Until(moment), "drop")})
    absent = with_churn(METHODS[name], {1: Presence(Until(0.0), "drop")})
    assert [rnd.clients_dropped for rnd in dropped.result.rounds] == [1, 0]
    assert [rnd.clients for rnd in dropped.result.rounds] == [CLIENTS, CLIENTS - 1]
    assert [rnd.clients for rnd in absent.result.rounds] == [CLIENTS - 1] * 2
    for part in dropped.method.parts:
        assert states_equal(dropped.states[part], absent.states[part]), part
    assert dropped.states.keys() == absent.states.keys()
    assert dropped.result.weights_digest == absent.result.weights_digest
    assert dropped.result.learning_digest == absent.result.learning_digest
    everybody = Inside(METHODS[name]).train(rounds=2)
    assert dropped.result.learning_digest != everybody.result.learning_digest
    assert dropped.result.weights_digest != everybody.result.weights_digest


def test_if_all_clients_drop_out_nothing_is_learned_and_the_run_continues():
    whole = Inside(METHODS["splitfed"]).train(rounds=1).result.virtual_time_s
    presences = {i: Presence(Until(0.5 * whole), "drop") for i in (0, 1)}
    presences[2] = Presence(Blink(0.4 * whole, 2 * whole), "drop")
    before = Inside(METHODS["splitfed"]).states["device"]
    inside = with_churn(METHODS["splitfed"], presences, rounds=1)
    assert inside.result.rounds[0].clients_dropped == CLIENTS
    assert states_equal(inside.states["device"], before)
    inside = with_churn(METHODS["splitfed"], presences, rounds=3)
    assert [rnd.clients for rnd in inside.result.rounds] == [CLIENTS, 1, 1]
    assert not states_equal(inside.states["device"], before)


class Blink:
    """Offline from one moment to another."""

    def __init__(self, start, end):
        self.start, self.end = start, end

    def piece(self, t):
        if t < self.start:
            return 1.0, self.start
        return (0.0, self.end) if t < self.end else (1.0, inf)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_client_that_resumes_trains_as_if_never_interrupted(name):
    calm = Inside(METHODS[name]).train(rounds=2)
    whole = calm.result.rounds[0].round_time_s
    blink = Presence(Blink(0.05 * whole, 0.95 * whole), "resume")
    resumed = with_churn(METHODS[name], {2: blink})
    assert resumed.result.rounds[0].round_time_s > whole
    assert [rnd.clients for rnd in resumed.result.rounds] == [CLIENTS, CLIENTS]
    assert resumed.result.weights_digest == calm.result.weights_digest
    assert resumed.result.learning_digest == calm.result.learning_digest
    assert resumed.result.event_digest != calm.result.event_digest


def test_a_buffer_of_an_earlier_round_survives_a_dropout():
    ecofed = "methods=[{ecofed: {init: random, period: 2}}]"
    first = Inside(ecofed).train(rounds=2).result.virtual_time_s
    upload = Inside(ecofed).train(rounds=3).result.rounds[2].round_time_s
    lost_in_third = Presence(Until(first + 0.5 * upload), "drop")
    run = with_churn(ecofed, {0: lost_in_third}, rounds=3)
    assert [rnd.clients_dropped for rnd in run.result.rounds] == [0, 0, 1]
    calm = Inside(ecofed).train(rounds=2)
    kept, earlier = run.states["buffer/0"], calm.states["buffer/0"]
    assert len(kept) == len(earlier)
    for (entry, labels), (other, other_labels) in zip(kept, earlier, strict=True):
        assert torch.equal(labels, other_labels)
        assert torch.equal(entry.packed, other.packed)


def test_a_dropped_client_keeps_its_earlier_optimizer_state():
    overrides = "methods=[classic_fl]"
    kept = "training.optimizer_state=kept"
    one = Inside(overrides, kept).train(rounds=1)
    moment = one.result.virtual_time_s
    run = Inside(overrides, kept)
    run.method.world.fleet.presences = {0: Presence(Until(1.5 * moment), "drop")}
    run.train(rounds=2)
    assert run.result.rounds[1].clients_dropped == 1
    before, after = one.states["optimiser/device/0"], run.states["optimiser/device/0"]
    assert str(before) == str(after)
    assert str(one.states["optimiser/device/1"]) != str(run.states["optimiser/device/1"])

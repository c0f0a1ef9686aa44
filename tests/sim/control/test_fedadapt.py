"""`fedadapt`: its groups and decisions on made-up histories, and a link that becomes slow."""

from dataclasses import replace
from typing import Any

import pytest
from small_scenarios import read

from cutlayer.scenarios.control import FedAdapt
from cutlayer.sim.control.controller import (
    ClientFacts,
    ClientRound,
    ClosedRound,
    History,
    PredictedRound,
)
from cutlayer.sim.control.fedadapt import FedAdaptRule
from cutlayer.sim.run.run import run

CUTS = (0, 1, 2)


def prediction(client: int, cut: int) -> PredictedRound:
    """Of 300 FLOPs, a device does 100 for each block; cut 1 sends 10 bytes up, the others 100.

    Predicted are 50 FLOP/s of the device, 2000 of the server.
    """
    del client
    return PredictedRound(
        seconds=2.0 * cut + 0.05 * (3 - cut) + 0.5,
        computing_s=2.0 * cut,
        up_s=0.5,
        down_s=0.0,
        server_s=0.05 * (3 - cut),
        up_bytes=10 if cut == 1 else 100,
        down_bytes=0,
        device_flops=100.0 * cut,
        server_flops=300.0 - 100.0 * cut,
    )


def last(client: int, *, cut: int = 1, speed: float = 100.0, rate: float = 100.0) -> ClientRound:
    """A round at a cut on a device of `speed` FLOP/s and a link of `rate` bytes/s; the server: 1000."""
    at = prediction(client, cut)
    return ClientRound(
        client=client,
        cut=cut,
        batch_size=8,
        done_s=1.0,
        computing_s=at.device_flops / speed,
        up_s=at.up_bytes / rate,
        down_s=0.0,
        weights_s=0.0,
        queue_s=0.1 * at.server_flops / 1000,
        server_s=0.9 * at.server_flops / 1000,
        up_bytes=at.up_bytes,
        down_bytes=0,
        device_flops=at.device_flops,
        server_flops=at.server_flops,
        dropped=False,
    )


def history(*rounds: ClientRound, cuts: Any = None, clients: int = 4, **facts: Any) -> History:
    known = [
        replace(ClientFacts(i, f"c{i}", f"device-{i % 2}", 10, 8, CUTS), **facts)
        for i in range(clients)
    ]
    closed = (ClosedRound(0, 1.0, rounds),) if rounds else ()
    present = cuts or dict.fromkeys(range(clients), 1)
    return History(1, known, range(clients), clients, closed, present, {}, prediction)


def decided(rule: FedAdaptRule, seen: History) -> Any:
    return rule.decide(seen).cuts


def test_nothing_is_decided_before_the_first_round() -> None:
    assert decided(FedAdaptRule(FedAdapt()), history()) == {}


@pytest.mark.parametrize(
    ("speed", "rate", "cut"),
    [
        (100.0, 100.0, 1),  # 1.0 + 0.1 + 0.2 s; at cut 0: 1.0 + 0.3 s; at cut 2: 2 + 1 + 0.1 s
        (100.0, 1e6, 0),  # 1 + 0.2 s; 0.3 s; 2 + 0.1 s
        (1e6, 1e6, 2),  # 0.2 s; 0.3 s; 0.1 s
        (1e6, 50.0, 1),  # 0.2 + 0.2 s; 2 + 0.3 s; 2 + 0.1 s
    ],
)
def test_the_cut_has_the_shortest_time_at_the_observed_speeds(
    speed: float, rate: float, cut: int
) -> None:
    rule = FedAdaptRule(FedAdapt(gain=0.0))
    rounds = [last(client, speed=speed, rate=rate) for client in range(4)]
    changes = dict.fromkeys(range(4), cut) if cut != 1 else {}
    assert decided(rule, history(*rounds)) == changes


def test_a_gain_that_is_too_small_changes_nothing() -> None:
    """At 115 FLOP/s and 1e6 bytes/s, cut 1 takes 1.07 s and cut 0 0.3 s: 72 % less."""
    rounds = [last(client, speed=115.0, rate=1e6) for client in range(4)]
    assert decided(FedAdaptRule(FedAdapt(gain=0.71)), history(*rounds)) == dict.fromkeys(
        range(4), 0
    )
    assert decided(FedAdaptRule(FedAdapt(gain=0.73)), history(*rounds)) == {}


def test_devices_of_different_speed_are_groups() -> None:
    fast, slow = {"speed": 1e6, "rate": 1e6}, {"speed": 100.0, "rate": 1e6}
    rounds = [last(0, **fast), last(1, **slow), last(2, **fast), last(3, **slow)]
    assert decided(FedAdaptRule(FedAdapt()), history(*rounds)) == {0: 2, 1: 0, 2: 2, 3: 0}
    together = decided(FedAdaptRule(FedAdapt(groups=1)), history(*rounds))
    assert len(set(together.values())) == 1


def test_slow_links_are_a_group_of_their_own() -> None:
    rounds = [last(client, speed=1e6, rate=1e6 if client else 20.0) for client in range(4)]
    seen = history(*rounds, cuts=dict.fromkeys(range(4), 2))
    assert decided(FedAdaptRule(FedAdapt()), seen) == {0: 1}


def test_clients_that_have_not_taken_part_follow_those_of_their_device() -> None:
    rounds = [last(0, speed=1e6, rate=1e6), last(1, speed=100.0, rate=1e6)]
    assert decided(FedAdaptRule(FedAdapt()), history(*rounds)) == {0: 2, 1: 0, 2: 2, 3: 0}


def test_a_device_keeps_its_speed_while_it_does_not_train() -> None:
    rule = FedAdaptRule(FedAdapt(gain=0.0))
    assert decided(rule, history(last(0, speed=1e6, rate=1e6), clients=1)) == {0: 2}
    idle = last(0, cut=0, speed=1.0, rate=1e6)
    assert decided(rule, history(idle, clients=1, cuts={0: 0})) == {0: 2}


def test_a_dropped_client_shows_nothing() -> None:
    lost = replace(last(0, speed=1e6, rate=1e6), dropped=True)
    assert decided(FedAdaptRule(FedAdapt()), history(lost)) == {}


def test_only_allowed_cuts_are_chosen() -> None:
    rounds = [last(client, speed=1e6, rate=1e6) for client in range(4)]
    seen = history(*rounds, cuts=dict.fromkeys(range(4), 0))
    narrow = replace(seen, clients=[replace(c, cuts=(0, 1)) for c in seen.clients])
    assert decided(FedAdaptRule(FedAdapt(gain=0.0)), narrow) == dict.fromkeys(range(4), 1)


FLEET = """\
name: fleet
data: {dataset: cifar10, train_samples: 1000, partition: {sizes: 40}}
model: {name: vgg5, cut: 3}
training: {rounds: 5, batch_size: 10, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 4}
    clients:
      - device: raspberry-pi-3b-plus
        count: 3
        name: board
        link: {up: 300 Mbit/s, down: 300 Mbit/s, delay: 1 ms}
methods: [splitfed]
control: {fedadapt: {cuts: [1, 2, 3]}}
"""


def test_it_reacts_to_a_link_that_becomes_slow() -> None:
    """The activation at cut 1 is twice that at cut 2, which a slow link makes too expensive."""

    def cuts(*overrides: str) -> list[list[int]]:
        (result,) = run(read(FLEET, *overrides), executor="none")
        played = result.methods["splitfed"]
        present: dict[str, int] = {}
        rounds = []
        for index in range(len(played.rounds)):
            present |= {row.client: row.cut for row in played.decisions if row.round == index}
            rounds.append([present[f"board-{client}"] for client in range(3)])
        return rounds

    steady = cuts("model.cut=3")
    assert steady == [[3] * 3, *[[1] * 3] * 4]
    (first,) = run(read(FLEET, "training.rounds=2"), executor="none")
    until = first.methods["splitfed"].rounds[-1].virtual_time_s
    slow = f"changes=[{{clients: board, at: {until} s, up: 10 Mbit/s}}]"
    assert cuts("model.cut=3", slow) == [[3] * 3, [1] * 3, [1] * 3, [2] * 3, [2] * 3]

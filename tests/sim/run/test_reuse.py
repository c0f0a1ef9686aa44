"""Rounds with equal timing are played once; reusing them changes no result."""

from dataclasses import asdict

import pytest
from small_scenarios import MIXED, scenario

from cutlayer import load_scenario, run
from cutlayer.sim.results.method import RunResult


def both_ways(loaded) -> tuple[RunResult, RunResult]:
    (reused,) = run(loaded, executor="none", reuse=True)
    (played,) = run(loaded, executor="none", reuse=False)
    return reused, played


def assert_equal(reused: RunResult, played: RunResult) -> None:
    assert list(reused.methods) == list(played.methods)
    for label, method in reused.methods.items():
        other = played.methods[label]
        assert method.event_digest == other.event_digest, label
        assert method.learning_digest == other.learning_digest, label
        assert method.learning_digest is not None
        assert [asdict(r) for r in method.rounds] == [asdict(r) for r in other.rounds], label
        assert method.clients_busy_s == other.clients_busy_s
        assert method.server_busy_s == other.server_busy_s
        assert other.reused_rounds == 0


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("training.rounds=20",),
        ("training.uploads_outstanding=2", "training.local_epochs=2"),
        ("topology.star.medium={rate: 20 Mbit/s}", "training.rounds=12"),
        ("topology.star.server.link={up: 5 Mbit/s, down: 5 Mbit/s, delay: 1 ms}",),
        ("data.partition={dirichlet: 0.5}", "topology.star.server.slots=2"),
    ],
    ids=["star", "long", "outstanding", "medium", "server link", "dirichlet"],
)
def test_a_heterogeneous_scenario(tmp_path, overrides):
    reused, played = both_ways(scenario(tmp_path, MIXED, *overrides))
    assert_equal(reused, played)


def test_something_is_reused_where_rounds_are_equal(tmp_path):
    loaded = scenario(tmp_path, MIXED, "training.clients_per_round=6")
    reused, played = both_ways(loaded)
    assert_equal(reused, played)
    expected = {"classic_fl": 5, "ecofed": 4, "split_learning": 5, "centralised": 4}
    for label, rounds in expected.items():
        assert reused.methods[label].reused_rounds == rounds


def test_rounds_of_unequal_shards_or_devices_are_not_mistaken_for_one_another(tmp_path):
    reused, _ = both_ways(scenario(tmp_path, MIXED, "training.rounds=20"))
    times = {r.round_time_s for r in reused.methods["splitfed"].rounds}
    assert len(times) > 3
    assert 0 < reused.methods["splitfed"].reused_rounds < 20 - len(times) + 1


SAME = "{device: raspberry-pi-4b, count: 3, link: {up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms}}"


@pytest.mark.parametrize(
    "different",
    [
        SAME.replace("4b", "3b-plus"),
        SAME.replace("up: 10", "up: 11"),
        SAME.replace("down: 25", "down: 24"),
        SAME.replace("delay: 25", "delay: 26"),
    ],
    ids=["device", "up", "down", "delay"],
)
def test_clients_that_differ_in_one_thing_only(tmp_path, different):
    overrides = [
        "data.partition={sizes: 20}",
        "training.rounds=12",
        f"topology.star.clients=[{SAME}, {different}]",
        "methods=[splitfed, {ecofed: {init: random, download_device_block: true}}]",
    ]
    reused, played = both_ways(scenario(tmp_path, MIXED, *overrides))
    assert_equal(reused, played)
    assert reused.methods["splitfed"].reused_rounds > 0


@pytest.mark.parametrize("slots", [1, 2])
def test_two_equal_devices_on_wifi(slots):
    overrides = [
        "training.rounds=3",
        f"topology.wifi_cell.server.slots={slots}",
        "methods=[classic_fl, splitfed, local_loss, fedgkt, {ecofed: {init: random}}, split_learning,"
        " centralised, {fedgkt: {exchange_weights: false}, label: original}]",
    ]
    assert_equal(*both_ways(load_scenario("edpfl_pi4_wifi", overrides)))


OPTIMIZERS = ["fedavgm", "fedadam: {lr: 0.1}", "fedyogi: {lr: 0.1}"]


@pytest.mark.parametrize("method", ["classic_fl", "fedprox", "splitfed", "ecofed"])
def test_methods_that_charge_other_work_for_a_term_or_a_fold(tmp_path, method):
    """Reuse changes none of them, and each has events of its own."""
    entries = [
        f"{{{method}: {{init: random, aggregation: {name if ':' not in name else '{' + name + '}'}}},"
        f" label: {name.partition(':')[0]}}}"
        for name in ["fedavg", *OPTIMIZERS]
    ]
    methods = f"methods=[{', '.join(entries)}, {{classic_fl: {{}}, label: classic}}]"
    reused, played = both_ways(
        scenario(tmp_path, MIXED, "training.rounds=12", "training.clients_per_round=6", methods)
    )
    assert_equal(reused, played)
    assert all(result.reused_rounds > 0 for result in reused.methods.values())
    events = [result.event_digest for result in reused.methods.values()]
    assert len(set(events)) == len(events) - (method == "classic_fl")


def test_rounds_with_late_uploads():
    methods = "methods=[{ecofed: {init: random, upload_when_unbuffered: true}}]"
    overrides = ["training.rounds=6", "training.clients_per_round=4", methods]
    assert_equal(*both_ways(load_scenario("ecofed_headline", overrides)))

"""A client without a batch takes no part: the others train as if it did not exist."""

from pathlib import Path

import pytest
import torch
from tiny_runs import METHODS, Inside, results, tiny

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.build.world import make_method
from cutlayer.sim.methods import registry

EVERY = (
    *METHODS,
    "{ecofed: {init: random, upload_when_unbuffered: true}}",
    *(name for name in registry.METHODS if not any(name in listed for listed in METHODS)),
)
ASYNCHRONOUS = [name for name in registry.METHODS if registry.method(name).asynchronous]
# They average gradients over the samples that have the same place in the clients' batches, so that the
# order of samples, which depends on the client's index, matters: the empty clients come last.
PAIRED = ("sfl_ga", "epsl")
SPLIT = """
{"raspberry-pi-4b-0": [0, 1, 2, 3, 4, 5, 6, 7], "raspberry-pi-4b-1": [],
 "raspberry-pi-4b-2": [10, 11, 12, 13, 14, 15], "raspberry-pi-4b-3": [20, 21, 22, 23, 24],
 "raspberry-pi-4b-4": []}
"""
OTHERS = "[[0, 1, 2, 3, 4, 5, 6, 7], [10, 11, 12, 13, 14, 15], [20, 21, 22, 23, 24]]"
# One batch for each client, so that the order, which depends on the client index, hardly matters.
WHOLE = "training.batch_size=100"


@pytest.fixture(autouse=True)
def splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("five.json").write_text(SPLIT, encoding="utf-8")
    Path("last.json").write_text(f"{OTHERS[:-1]}, [], []]", encoding="utf-8")
    Path("three.json").write_text(OTHERS, encoding="utf-8")


def five(method: str) -> tuple[str, ...]:
    """A window of an asynchronous method has three updates, as it has by default with three clients."""
    file = "last" if method in PAIRED else "five"
    split = f"data.partition={{file: {file}.json}}"
    window = ("training.clients_per_round=3",) if method in ASYNCHRONOUS else ()
    return "topology.star.clients.0.count=5", split, WHOLE, f"methods=[{method}]", *window


def three(method: str) -> tuple[str, ...]:
    return "data.partition={file: three.json}", WHOLE, f"methods=[{method}]"


@pytest.mark.parametrize("method", EVERY)
def test_the_others_train_and_are_averaged_as_if_it_did_not_exist(method: str) -> None:
    of_five = Inside(*five(method)).train()
    of_three = Inside(*three(method)).train()
    for name in ("device", "server"):
        for key, value in of_three.states[name].items():
            torch.testing.assert_close(of_five.states[name][key], value, rtol=1e-3, atol=1e-4)
    assert of_five.result.rounds[-1].accuracy is not None


@pytest.mark.parametrize("method", EVERY)
def test_time_and_bytes_are_those_of_the_others(method: str) -> None:
    (with_empty,) = results(*five(method), executor="none").values()
    (without,) = results(*three(method), executor="none").values()
    assert with_empty.virtual_time_s == without.virtual_time_s
    assert with_empty.wire_bytes == without.wire_bytes
    assert [r.clients for r in with_empty.rounds] == [r.clients for r in without.rounds]


def test_it_is_never_sampled() -> None:
    held = [[i] if i not in (1, 3, 6) else [] for i in range(8)]
    Path("eight.json").write_text(str(held), encoding="utf-8")
    eight = ("topology.star.clients.0.count=8", "data.partition={file: eight.json}")
    plan = make_plan(tiny(*eight).scenario, 0)
    fleet = make_method(plan, plan.scenario.methods[0], None).world.fleet
    fleet.clients_per_round = 3
    drawn = [fleet.sample(index) for index in range(60)]
    assert {client for clients in drawn for client in clients} == {0, 2, 4, 5, 7}
    assert {len(clients) for clients in drawn} == {3}
    assert fleet.sample(0, among=[0, 1, 3, 4]) == (0, 4)


def test_a_shard_without_complete_batches_counts_as_empty() -> None:
    # BatchNorm of resnet12 gets single values, so a batch of one sample is dropped.
    plan = plan_checked(
        tiny("model.name=resnet12", "data.partition.sizes=[1, 9, 8]"), trains=False
    )[0]
    assert plan.able_clients() == 2
    assert plan.trained_samples().tolist() == [0, 8, 8]
    fleet = make_method(plan, plan.scenario.methods[0], None).world.fleet
    assert fleet.able == [1, 2]


def test_dirichlet_can_give_clients_no_samples() -> None:
    skewed = "data.partition={dirichlet: {alpha: 0.01, min_samples: 0}}"
    plan = plan_checked(tiny(skewed, "topology.star.clients.0.count=40"), trains=False)[0]
    assert 0 in plan.shards.sizes
    assert sum(plan.shards.sizes) == 60
    (result,) = results(skewed, "topology.star.clients.0.count=40", executor="none").values()
    assert result.rounds[0].clients == plan.able_clients() < 40

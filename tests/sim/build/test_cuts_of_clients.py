"""`model.cut` by the name of a device, a client or a group: whose cut it is, and what is refused."""

from typing import Any

import numpy as np
import pytest
from small_scenarios import MIXED, read

from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.memory import memory_by_cut, memory_by_device, server_memory
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.compute.memory import training_bytes
from cutlayer.sim.methods.registry import METHODS, options_of
from cutlayer.sim.run.run import run

GROUPS = """[
    {device: raspberry-pi-4b, count: 3, name: hall, link: 4g},
    {device: raspberry-pi-3b-plus, count: 3, link: 4g}]"""


def plan_of(cut: str, *overrides: str) -> Plan:
    groups = f"topology.star.clients={GROUPS}"
    return plan_checked(
        read(MIXED, f"model.cut={cut}", groups, "methods=[splitfed]", *overrides), trains=False
    )[0]


def refusals(cut: str, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as refused:
        plan_of(cut, *overrides)
    return [str(problem).removeprefix("--set: ") for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("2", [2, 2, 2, 2, 2, 2]),
        ("{default: 2}", [2, 2, 2, 2, 2, 2]),
        ("{raspberry-pi-4b: 3, raspberry-pi-3b-plus: 1}", [3, 3, 3, 1, 1, 1]),
        ("{raspberry-pi-4b: 3, default: 1}", [3, 3, 3, 1, 1, 1]),
        ("{Raspberry Pi 4B: 3, default: 1}", [3, 3, 3, 1, 1, 1]),
        ("{hall: 3, default: 1}", [3, 3, 3, 1, 1, 1]),
        ("{hall-1: 3, raspberry-pi-3b-plus-2: 4, default: 1}", [1, 3, 1, 1, 1, 4]),
        ("{hall-1: 2, raspberry-pi-4b: 3, default: 1}", [3, 2, 3, 1, 1, 1]),
    ],
)
def test_the_name_of_a_client_or_group_takes_precedence_over_its_device(
    cut: str, expected: list[int]
) -> None:
    plan = plan_of(cut)
    assert list(plan.client_cuts) == expected
    assert plan.scenario_cuts == tuple(sorted(set(expected)))
    for name, last in (("classic_fl", 5), ("centralised", 0)):
        assert plan.one_cut(METHODS[name]) == last
        assert set(plan.method_cuts(METHODS[name])) == {last}


@pytest.mark.parametrize(
    ("cut", "rule"),
    [
        (
            "{raspbery-pi-4b: 3, default: 1}",
            "model.cut.raspbery-pi-4b: is neither a device, a group nor a client of the topology; did"
            " you mean "
            "'raspberry-pi-4b'? (got 3)",
        ),
        (
            "{raspberry-pi-4b: 3}",
            "model.cut: has no cut for raspberry-pi-3b-plus-0, a raspberry-pi-3b-plus: give a default "
            '(got {"raspberry-pi-4b": 3})',
        ),
        (
            "{hall: 3, hall-1: 2, default: 1}",
            "model.cut.hall-1: hall-1 is already set by an earlier entry (got 2)",
        ),
        (
            "{hall: 6, default: 1}",
            "model.cut.hall: must be 0 (all on the server) to 5 (all on the device) for vgg5 (got 6)",
        ),
    ],
)
def test_names_and_cuts_that_are_refused(cut: str, rule: str) -> None:
    assert refusals(cut) == [rule]


@pytest.mark.parametrize(
    ("cut", "rule"),
    [
        ("{}", "model.cut: must not be empty (got {})"),
        ("{default: 1.5}", "model.cut.default: must be a whole number (got 1.5)"),
        ("{default: -1}", "model.cut.default: must be at least 0 (got -1)"),
        ("[1, 2]", "model.cut: must be a whole number (got [1, 2])"),
    ],
)
def test_cuts_that_the_schema_refuses(cut: str, rule: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        read(MIXED, f"model.cut={cut}")
    assert str(refused.value).removeprefix("--set: ") == rule


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (
            "split_learning",
            "split_learning passes on a single device block, which needs one cut for all clients",
        ),
        (
            "{fedgkt: {exchange_weights: false}}",
            "fedgkt without exchange_weights trains one server block, which needs one cut for all",
        ),
    ],
)
def test_methods_with_one_block_for_all_clients_refuse_several_cuts(
    method: str, reason: str
) -> None:
    (refusal,) = refusals("{hall: 3, default: 1}", f"methods=[{method}]")
    assert refusal.startswith(f"model.cut: {reason} (got ")
    assert plan_of("{hall: 3, default: 3}", f"methods=[{method}]").scenario_cuts == (3,)


def test_a_cut_that_a_method_cannot_have_is_refused_at_its_name() -> None:
    (refusal,) = refusals("{hall: 0, default: 1}", "methods=[local_loss]")
    assert refusal.startswith("model.cut.hall: local_loss needs a cut between 1 and 4")


def test_the_resolved_scenario_loads_to_the_same_cuts() -> None:
    loaded = read(MIXED, "model.cut={raspberry-pi-4b: 3, default: 1}")
    assert loaded.resolved()["model"]["cut"] == {"raspberry-pi-4b": 3, "default": 1}


def test_memory_is_that_of_each_device_and_cut() -> None:
    plan = plan_of("{hall-0: 1, hall-1: 3, hall-2: 3, default: 2}")
    method, options = options_of(plan.scenario.methods[0])
    expected = {
        ("raspberry-pi-4b", 1): training_bytes(plan.blocks[:1], 10, 1),
        ("raspberry-pi-4b", 3): training_bytes(plan.blocks[:3], 10, 1),
        ("raspberry-pi-3b-plus", 2): training_bytes(plan.blocks[:2], 10, 1),
    }
    assert memory_by_cut(plan, method) == expected
    assert memory_by_device(plan, method) == {
        "raspberry-pi-4b": max(expected["raspberry-pi-4b", cut] for cut in (1, 3)),
        "raspberry-pi-3b-plus": expected["raspberry-pi-3b-plus", 2],
    }
    assert server_memory(plan, method, options) > 0


def test_a_device_that_is_too_small_for_its_cut_is_named_with_it() -> None:
    small = "devices={small: {device: raspberry-pi-4b, memory: 5 MB}}"
    groups = (
        "topology.star.clients=[{device: small, link: 4g}, {device: raspberry-pi-4b, link: 4g}]"
    )
    overrides = ("methods=[splitfed]", "data.partition=iid", "training.clients_per_round=2")

    def check(cut: str) -> Plan:
        loaded = read(MIXED, small, groups, f"model.cut={cut}", *overrides)
        return plan_checked(loaded, trains=False)[0]

    assert check("{small: 1, default: 4}").scenario_cuts == (1, 4)
    with pytest.raises(ScenarioError) as refused:
        check("{small: 4, default: 1}")
    (problem,) = refused.value.problems
    assert "splitfed needs" in str(problem)
    assert "on a small, which has 5 MB (cut 4)" in str(problem)


def test_the_server_holds_the_largest_replicas_of_a_round() -> None:
    """Three of six clients train in a round: at worst those whose server blocks are the largest."""

    def needed(cut: str) -> int:
        plan = plan_of(cut)
        return server_memory(plan, *options_of(plan.scenario.methods[0]))

    assert needed("{hall: 1, default: 4}") == needed("1")
    one = needed("{hall-0: 1, default: 4}")
    assert needed("4") < one < needed("{hall-0: 1, hall-1: 1, default: 4}") < needed("1")
    plan = plan_of("1")
    weights = [4 * sum(block.parameters for block in plan.blocks[cut:]) for cut in (1, 4)]
    two = needed("{hall-0: 1, hall-1: 1, default: 4}")
    assert two - one == 3 * (weights[0] - weights[1])


def members(overrides: tuple[str, ...], method: str) -> dict[str, list[tuple[Any, ...]]]:
    """Each client's bytes and computing times of every round in which it takes part."""
    (result,) = run(
        read(MIXED, f"methods=[{method}]", "topology.star.server.slots=6", *overrides),
        executor="none",
        log="events",
    )
    (played,) = result.methods.values()
    totals: dict[str, list[tuple[Any, ...]]] = {}
    for kept in played.kept:
        record = kept.record
        for member, name in enumerate(kept.participants):
            row = record.wire_up[member], record.wire_down[member], record.device_busy_s[member]
            totals.setdefault(name, []).append(tuple(np.round(row, 9).tolist()))
    return totals


@pytest.mark.parametrize("method", ["splitfed", "local_loss", "fedgkt", "{ecofed: {init: random}}"])
def test_a_client_has_the_bytes_and_computing_times_of_its_own_cut(method: str) -> None:
    """The links and the server's slots are not shared, so that a client does not see others."""
    shallow, deep = (members((f"model.cut={cut}",), method) for cut in (1, 3))
    mixed = members(("model.cut={raspberry-pi-4b: 3, raspberry-pi-3b-plus: 1}",), method)
    assert len(mixed) > 3
    for name, rounds in mixed.items():
        assert rounds == (deep if "4b" in name else shallow)[name]
    assert shallow != deep


@pytest.mark.parametrize("method", ["classic_fl", "splitfed", "{ecofed: {init: random}}"])
def test_one_cut_by_names_is_the_plain_cut(method: str) -> None:
    digests = [
        (played.event_digest, played.learning_digest)
        for cut in ("2", "{default: 2}", "{raspberry-pi-4b: 2, raspberry-pi-3b-plus: 2}")
        for result in run(read(MIXED, f"methods=[{method}]", f"model.cut={cut}"), executor="none")
        for played in result.methods.values()
    ]
    assert len(set(digests)) == 1
    assert None not in digests[0]


def test_rounds_of_other_cuts_are_not_reused() -> None:
    """Equal devices and links; their cuts decide which rounds are equal."""
    cuts = ("model.cut={raspberry-pi-4b-0: 3, default: 1}", "data.partition={sizes: 20}")
    groups = "topology.star.clients=[{device: raspberry-pi-4b, count: 4, link: 4g}]"
    scenario = read(MIXED, "methods=[splitfed]", groups, *cuts, "training.clients_per_round=2")
    with_reuse, without = (
        run(scenario, executor="none", reuse=reuse)[0].methods["splitfed"]
        for reuse in (True, False)
    )
    assert with_reuse.reused_rounds > 0
    assert with_reuse.event_digest == without.event_digest

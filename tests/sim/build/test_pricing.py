"""Published clocks: the seconds that they charge, by hand; where results say so; what is refused."""

import json

import numpy as np
import pytest
from command_line import assert_refused

from cutlayer import load_scenario, run
from cutlayer.models.features import PRODUCTS
from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.build.pricing import priced
from cutlayer.sim.log.intervals import Phase
from cutlayer.sim.results.method import MethodResult
from cutlayer.topologies.published_clocks import CLOCKS

SCENARIO = """
name: clocks
data: {dataset: cifar10, train_samples: 200, partition: iid}
model: {name: vgg5, cut: 2}
training: {rounds: 1, batch_size: 20, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
devices:
  phone: {speed: 8 GFLOP/s, power: {idle: 0 W, frequency: 1 GHz, kappa: 1e-28 W/Hz^3}}
  base: {speed: 300 GFLOP/s, power: {idle: 0 W, frequency: 30 GHz, kappa: 1e-28 W/Hz^3}}
topology:
  star:
    server: {device: base, slots: 1}
    clients: [{device: phone, count: 2, link: {up: 8 Mbit/s, down: 16 Mbit/s, delay: 0 ms}}]
methods:
  - splitfed
  - {splitfed: {}, pricing: {as_published: gas}, label: gas}
  - {splitfed: {}, pricing: {as_published: safsl}, label: safsl}
  - {splitfed: {}, pricing: {as_published: c_sfl}}
"""
LABELS = ("splitfed", "gas", "safsl", "splitfed as published")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clocks.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture
def played(file):
    (result,) = run(load_scenario(file), executor="none", log="events")
    assert tuple(result.methods) == LABELS
    return result.methods


def seconds(method: MethodResult, phase: Phase) -> list[float]:
    """The seconds of the intervals of a phase that take time."""
    rows = method.kept[0].record.intervals
    found = rows.duration[rows.of(phase) & (rows.duration > 0)]
    return sorted({float(f"{value:.9g}") for value in found})


def macs(plan: Plan, blocks: slice) -> float:
    layers = [layer for block in plan.blocks[blocks] for layer in block.layers]
    products = [layer for layer in layers if layer.op_class in (*PRODUCTS, "depthwise")]
    assert len(products) < len(layers)
    return sum(layer.forward_flops for layer in products) / 2


def test_gas_charges_the_macs_of_one_image_and_neither_server_nor_downloads(file, played):
    plan = make_plan(load_scenario(file).scenario, 0)
    device = macs(plan, slice(0, 2))
    assert seconds(played["gas"], Phase.DEVICE_COMPUTE) == [pytest.approx(device / 8e9)]
    assert seconds(played["gas"], Phase.SERVER_COMPUTE) == []
    assert seconds(played["gas"], Phase.DOWNLINK) == []
    ups = [played[label].kept[0].record.intervals for label in ("gas", "splitfed")]
    assert [rows.duration[rows.of(Phase.UPLINK)].sum() for rows in ups] == pytest.approx(
        [rows.wire_bytes[rows.of(Phase.UPLINK)].sum() / 1e6 for rows in ups]
    )
    physical = played["splitfed"].kept[0].record.intervals
    share = physical.duration[physical.of(Phase.DEVICE_COMPUTE)].sum()
    mine = ups[0].duration[ups[0].of(Phase.DEVICE_COMPUTE)].sum()
    # A batch of 20 images, forward and backward, 2 FLOPs a MAC: well over 60 times as much.
    assert share > 60 * mine


def test_safsl_charges_a_cycle_for_each_mac_of_the_forward_pass(file, played):
    plan = make_plan(load_scenario(file).scenario, 0)
    device, server = macs(plan, slice(0, 2)), macs(plan, slice(2, None))
    method = played["safsl"]
    assert seconds(method, Phase.DEVICE_COMPUTE) == [pytest.approx(20 * device / 1e9)]
    assert seconds(method, Phase.SERVER_COMPUTE) == [pytest.approx(20 * server / 30e9)]
    use = method.devices["phone-0"]
    cycles = 100 * device
    assert use.energy_j == pytest.approx(1e-28 * 1e9**2 * cycles)


def test_c_sfl_transfers_eight_times_too_fast_and_computes_as_it_should(played):
    wrong, right = played["splitfed as published"], played["splitfed"]
    for phase in (Phase.UPLINK, Phase.DOWNLINK):
        assert 8 * np.array(seconds(wrong, phase)) == pytest.approx(seconds(right, phase))
    for phase in (Phase.DEVICE_COMPUTE, Phase.SERVER_COMPUTE):
        assert seconds(wrong, phase) == pytest.approx(seconds(right, phase))


def test_a_clock_changes_neither_bytes_nor_learning(played):
    for method in played.values():
        assert method.wire_bytes == played["splitfed"].wire_bytes
        assert method.learning_digest == played["splitfed"].learning_digest
    assert len({method.virtual_time_s for method in played.values()}) == 4


def test_a_physical_method_is_not_affected_by_its_neighbours(file, played):
    text = SCENARIO[: SCENARIO.index("  - {splitfed: {}, pricing: {as_published: gas}")]
    file.write_text(text, encoding="utf-8")
    (alone,) = run(load_scenario(file), executor="none", log="events")
    assert alone.methods["splitfed"].event_digest == played["splitfed"].event_digest


def test_results_say_which_times_are_not_physical(file, cli, tmp_path):
    answer = cli("run", str(file), "--executor", "none", "--out", str(tmp_path / "out"))
    assert answer.code == 0
    out = " ".join(answer.out.split())
    for label, clock in zip(LABELS[1:], ("gas", "safsl", "c_sfl"), strict=True):
        note = f"the clock of {clock} as published: {CLOCKS[clock].mistake}"
        assert f"{label}: NOT PHYSICAL TIMES, but {note}." in out
    assert "splitfed: NOT PHYSICAL" not in out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert "pricing" not in summary["methods"]["splitfed"]
    assert CLOCKS["gas"].mistake in summary["methods"]["gas"]["pricing"]
    assert cli("check", str(file), "--executor", "none").out.count("not physical times") == 3
    resolved = load_scenario(tmp_path / "out" / "scenario.yaml").scenario
    assert resolved.methods == load_scenario(file).scenario.methods


BAD = [
    ("as_published: gas", "as_published: gsa", "is not a published clock; did you mean 'gas'?"),
    ("pricing: {as_published: gas}", "pricing: gas", "methods.1.pricing: must be a mapping"),
    ("pricing: {as_published: gas}", "price: 1", "is an unknown key beside a method"),
    (
        ", frequency: 1 GHz, kappa: 1e-28 W/Hz^3",
        ", compute: 1 W",
        "charges clock cycles, and phone has no frequency: give it power:",
    ),
    (
        "{device: phone, count: 2",
        "{device: raspberry-pi-4b, count: 2",
        "charges one speed for every operation, and raspberry-pi-4b has a profile",
    ),
]


@pytest.mark.parametrize(("old", "new", "complaint"), BAD)
def test_a_bad_pricing_is_a_message(file, cli, old, new, complaint):
    assert old in SCENARIO
    text = SCENARIO.replace(old, new, 1)
    if "raspberry" in new:  # it has no frequency for the other clock either
        text = text.replace("pricing: {as_published: safsl}, ", "")
    file.write_text(text, encoding="utf-8")
    assert_refused(cli("run", str(file), "--executor", "none"), "methods.", complaint)


def test_downloads_on_a_shared_medium_cannot_be_free(file, cli):
    text = SCENARIO.replace("  star:\n", "  star:\n    medium: {rate: 20 Mbit/s}\n")
    file.write_text(text, encoding="utf-8")
    answer = cli("run", str(file), "--executor", "none")
    assert_refused(
        answer, "methods.1.pricing", "shares a medium: use links with rates of their own"
    )


def test_only_the_links_of_downloads_lose_their_limit(file):
    scenario = load_scenario(file).scenario
    plan = make_plan(scenario, 0)
    links = priced(plan, scenario.methods[1]).topology.links
    assert [links[f"phone-1.{way}"].rate_bytes_per_s for way in ("up", "down")] == [1e6, np.inf]
    assert priced(plan, scenario.methods[0]) is plan
    assert plan.topology.links["phone-1.down"].rate_bytes_per_s == 2e6

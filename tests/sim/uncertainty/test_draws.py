"""Factors and their draws: what is uncertain, what is common, what is correlated, what is covered."""

import math
from dataclasses import replace

import numpy as np
import pytest
from small_scenarios import PLAIN, STAR, read

from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.play import play
from cutlayer.sim.uncertainty.draw import drawn_device, drawn_topology
from cutlayer.sim.uncertainty.factors import Factors
from cutlayer.topologies import DeviceProfile, Topology, catalogue
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.figures import figures_of
from cutlayer.topologies.fleet import Fleet
from cutlayer.topologies.spreads import FORM_ERROR, NEW_FORM_ERROR, SPREADS

SPEEDS = "speeds=[{clients: raspberry-pi-4b, lognormal: 0.3}]"
LINKS = STAR.replace("{up: 1 Gbit/s, down: 1 Gbit/s, delay: 0 ms}", "4g")


def plan_of(text: str, *overrides: str) -> Plan:
    return make_plan(read(text, *overrides).scenario, 0)


def on_devices(plan: Plan, client: DeviceProfile, server: DeviceProfile | None = None) -> Plan:
    """The plan with other devices."""
    topology = plan.topology
    devices = dict.fromkeys(topology.clients, client)
    devices[topology.server] = server or exact(client)
    return replace(plan, topology=topology.with_devices(devices))


def exact(profile: DeviceProfile) -> DeviceProfile:
    """The profile under another name, with figures that were declared."""
    return replace(profile, name="exact", status={}, covariance=None, form_error=0.0)


def played(plan: Plan, factors: dict[str, float]) -> dict[str, MethodResult]:
    at_draw = replace(plan, topology=drawn_topology(plan.topology, factors))
    return {entry.label: play(at_draw, entry) for entry in plan.scenario.methods}


def round_time(plan: Plan, factors: dict[str, float]) -> float:
    (result,) = played(plan, factors).values()
    return result.rounds[0].round_time_s


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """The true figures of a device are drawn from the prior; the draws are of another seed.

    A 90 % interval of 100 draws is expected to hold 88.2 % of the truths (of the 101 gaps between draws,
    it has 0.9 x 99). Over 5 devices and 100 truths for each, the standard deviation is 2.0 %.
    """
    board = catalogue.device("raspberry-pi-4b")
    plan = plan_of(STAR, "data.partition.sizes=10", "training.clients_per_round=1")
    held = 0
    for number in range(5):
        stated = board.scaled(*np.exp(np.random.default_rng(number).normal(size=5)))
        here = on_devices(plan, stated)
        factors = Factors.of(here)
        times = [round_time(here, factors.draw(2 * number, draw)) for draw in range(100)]
        low, high = np.quantile(times, [0.05, 0.95])
        truths = [round_time(here, factors.draw(2 * number + 1, draw)) for draw in range(100)]
        held += sum(low <= truth <= high for truth in truths)
    assert 425 <= held <= 475


def test_a_figure_that_was_declared_does_not_vary() -> None:
    plan = on_devices(plan_of(STAR), exact(catalogue.device("raspberry-pi-4b")))
    factors = Factors.of(plan)
    assert factors.deviations == {}
    assert factors.draw(0, 0) == {}
    assert round_time(plan, factors.draw(0, 0)) == round_time(plan, factors.draw(0, 1))


def test_deviations_are_those_of_the_statuses() -> None:
    deviations = Factors.of(plan_of(LINKS)).deviations
    assert deviations["raspberry-pi-4b: rates.conv.forward"] == SPREADS["derived"]
    assert deviations["raspberry-pi-4b: form"] == FORM_ERROR
    assert deviations["link 4g: up"] == SPREADS["published"]
    assert deviations["link 4g: delay"] == SPREADS["guess"]
    # lenet has no depthwise convolution, and no time depends on power or memory
    names = {name for name in deviations if "depthwise" in name or "memory_bytes" in name}
    assert names == set()


def test_the_form_is_less_sure_for_an_architecture_that_was_not_timed() -> None:
    deviations = Factors.of(plan_of(LINKS, "model.name=vit-small", "model.cut=1")).deviations
    assert deviations["raspberry-pi-4b: form"] == NEW_FORM_ERROR


def test_figures_of_unused_operations_move_no_time() -> None:
    """All figures that are not drawn, ten times as large, leave the time of a round as it is."""
    plan = plan_of(STAR, "methods=[fedgkt]")
    drawn = {name.partition(": ")[2] for name in Factors.of(plan).deviations}
    board = catalogue.device("raspberry-pi-4b")
    unused = {name for name, figure in figures_of(board).items() if 0 < figure < math.inf} - drawn
    assert "rates.depthwise.forward" in unused
    others = drawn_device(board, {f"{board.name}: {name}": 10.0 for name in unused})
    assert others != board
    assert round_time(on_devices(plan, others), {}) == round_time(on_devices(plan, board), {})


def test_links_with_figures_of_the_scenario_are_exact() -> None:
    names = Factors.of(plan_of(STAR)).deviations
    assert not any(name.startswith("link ") for name in names)
    own_delay = LINKS.replace("link: 4g", "link: {name: 4g, delay: 10 ms}")
    links = {n for n in Factors.of(plan_of(own_delay)).deviations if n.startswith("link ")}
    assert links == {"link 4g: up", "link 4g: down"}


def test_a_link_has_its_drawn_rates_and_delay() -> None:
    """Of clients in a group and of a single one."""
    factors = {"link 4g: up": 2.0, "link 4g: down": 3.0, "link 4g: delay": 0.5}
    for text in (LINKS, LINKS.replace("count: 2", "count: 1")):
        topology = plan_of(text).topology
        drawn = drawn_topology(topology, factors)
        client = topology.clients[-1]
        for name, factor in (("up", 2.0), ("down", 3.0)):
            old, new = (t.links[f"{client}.{name}"] for t in (topology, drawn))
            assert new.rate_bytes_per_s == factor * old.rate_bytes_per_s
            assert new.delay_s == 0.5 * old.delay_s
        up, drawn_up = (t.route(client, t.server) for t in (topology, drawn))
        assert drawn_up.delay_s == 0.5 * up.delay_s
        assert drawn.resources[f"{client}.up"] == 2.0 * topology.resources[f"{client}.up"]


def test_the_medium_of_a_half_duplex_link_has_its_drawn_rate() -> None:
    plan = plan_of(LINKS.replace("4g", "wifi-1-client"))
    assert Factors.of(plan).deviations["link wifi-1-client: up"] == SPREADS["recalled"]
    drawn = drawn_topology(plan.topology, {"link wifi-1-client: up": 2.0})
    assert {name: 2.0 * rate for name, rate in plan.topology.resources.items()} == drawn.resources
    assert len(drawn.media) == 2


def test_links_of_the_edges_of_a_graph_have_factors() -> None:
    graph = """\
  graph:
    server: {device: server-8-core, slots: 1}
    nodes:
      pi: {client: {device: raspberry-pi-4b}}
      relay: {relay: {}}
    edges:
      - {from: pi, to: relay, link: 4g}
      - {from: relay, to: server, link: {rate: 1 Gbit/s, delay: 1 ms, duplex: full}}
"""
    text = STAR[: STAR.index("  star:")] + graph + "methods: [classic_fl]\n"
    plan = plan_of(text)
    names = {name for name in Factors.of(plan).deviations if name.startswith("link ")}
    assert names == {"link 4g: up", "link 4g: down", "link 4g: delay"}
    drawn = drawn_topology(plan.topology, {"link 4g: down": 2.0})
    old = plan.topology.resources
    assert dict(drawn.resources) == {**old, "relay->pi": 2.0 * old["relay->pi"]}


def test_rates_that_vary_are_drawn_as_a_whole() -> None:
    """A change of the rate of a catalogue's link is a number of the scenario, and scales with it."""
    change = "changes=[{clients: raspberry-pi-4b, at: 10 s, up: 1 Mbit/s}]"
    topology = plan_of(LINKS, change).topology
    drawn = drawn_topology(topology, {"link 4g: up": 2.0})
    for time in (0.0, 20.0):
        (old, _), (new, _) = (
            t.profiles["raspberry-pi-4b-0.up"].piece(time) for t in (topology, drawn)
        )
        assert new == 2.0 * old


def test_links_of_other_names_stay() -> None:
    topology = plan_of(LINKS).topology
    drawn = drawn_topology(topology, {"link wifi-50: up": 2.0})
    assert dict(drawn.resources) == dict(topology.resources)


def test_a_fleet_stays_one_and_equals_the_topology_of_its_nodes_and_links() -> None:
    plan = plan_of(
        LINKS,
        "topology.star.clients.0.count=5",
        SPEEDS,
    )
    fleet = plan.topology
    whole = Topology(list(fleet.nodes.values()), list(fleet.links.values()))
    factors = Factors.of(plan)
    assert factors == Factors.of(replace(plan, topology=whole))
    values = factors.draw(0, 0)
    drawn = drawn_topology(fleet, values)
    assert isinstance(drawn, Fleet)
    assert dict(drawn.nodes) == dict(drawn_topology(whole, values).nodes)
    assert dict(drawn.links) == dict(drawn_topology(whole, values).links)
    assert round_time(plan, values) == round_time(replace(plan, topology=whole), values)


def test_the_form_slows_all_computing_of_a_device() -> None:
    board = catalogue.device("raspberry-pi-4b")
    slower = drawn_device(board, {"raspberry-pi-4b: form": 2.0, "raspberry-pi-5: form": 3.0})
    for name, figure in figures_of(board).items():
        assert figures_of(slower)[name] in (2 * figure, pytest.approx(figure / 2))
    assert slower.speed_factor == board.speed_factor
    plan = on_devices(plan_of(STAR), board)
    compute_s = 2 * played(plan, {})["classic_fl"].devices[plan.topology.clients[0]].compute_s
    drawn = played(plan, {"raspberry-pi-4b: form": 2.0})["classic_fl"]
    assert drawn.devices[plan.topology.clients[0]].compute_s == pytest.approx(compute_s)


def test_draws_are_paired() -> None:
    """A factor that slows everything in all methods leaves their ratio as it is."""
    text = PLAIN.replace("device: fast", "device: slow").replace("8 Mbit/s", "1000000000 Gbit/s")
    text = text.replace("16 Mbit/s", "1000000000 Gbit/s").replace("20 ms", "0 ms")
    plan = plan_of(text + "methods: [classic_fl, splitfed]\n")
    assert list(Factors.of(plan).deviations) == ["slow: form"]
    ratios, times = [], []
    for number in range(20):
        results = played(plan, Factors.of(plan).draw(0, number))
        one, other = (result.rounds[0].round_time_s for result in results.values())
        ratios.append(one / other)
        times.append(one)
    assert max(ratios) / min(ratios) == pytest.approx(1.0, abs=1e-6)
    assert max(times) / min(times) > 2


def test_a_draw_depends_on_seed_name_and_number_only() -> None:
    few, more = Factors({"a: form": 0.1}), Factors({"b: form": 0.3, "a: form": 0.1})
    assert few.draw(0, 7)["a: form"] == more.draw(0, 7)["a: form"]
    values = {few.draw(seed, number)["a: form"] for seed in range(3) for number in range(3)}
    assert len(values) == 9
    assert more.draw(0, 0)["a: form"] ** 3 != pytest.approx(more.draw(0, 0)["b: form"])


def test_logarithms_have_the_stated_deviations() -> None:
    factors = Factors({"a: x": 0.2, "a: y": 0.5})
    logs = np.log([list(factors.draw(0, number).values()) for number in range(2000)])
    error = 4 / math.sqrt(2 * 2000)  # four standard errors, relative
    assert logs.std(axis=0) == pytest.approx([0.2, 0.5], rel=error)
    assert abs(logs.mean(axis=0) / [0.2, 0.5]).max() < 4 / math.sqrt(2000)
    assert abs(np.corrcoef(logs.T)[0, 1]) < 4 / math.sqrt(2000)


def test_correlated_figures_reproduce_their_covariance() -> None:
    names = ("rates.conv.forward", "rates.conv.backward", "memory_bandwidth")
    wanted = np.array([[0.04, 0.036, -0.01], [0.036, 0.09, 0.0], [-0.01, 0.0, 0.0625]])
    known = Covariance.of(names, wanted)
    board = replace(catalogue.device("raspberry-pi-4b"), covariance=known)
    factors = Factors.of(on_devices(plan_of(STAR), board))
    columns = [f"raspberry-pi-4b: {name}" for name in names]
    assert [factors.deviations[c] for c in columns] == pytest.approx(np.sqrt(np.diag(wanted)))
    count = 3000
    draws = [factors.draw(0, number) for number in range(count)]
    logs = np.log([[draw[column] for column in columns] for draw in draws])
    found = np.cov(logs.T)
    errors = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / count)
    assert (abs(found - wanted) < 4.5 * errors).all()
    # The order of the figures makes no difference.
    turned = Covariance.of(names[::-1], wanted[::-1, ::-1])
    again = Factors.of(on_devices(plan_of(STAR), replace(board, covariance=turned)))
    assert again.draw(0, 5) == pytest.approx(factors.draw(0, 5))

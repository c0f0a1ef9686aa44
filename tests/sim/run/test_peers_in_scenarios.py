"""Peers in whole runs: topologies, transports, result files; what is refused."""

import json

import pytest
from small_scenarios import scenario

from cutlayer import run
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.edge_nodes import edge_nodes_of
from cutlayer.sim.build.memory import device_memory, edge_memory, server_memory
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.results.critical_path import critical_chain
from cutlayer.sim.results.read import read_run
from cutlayer.sim.run.explain import explain
from cutlayer.sim.views.timeline import timelines
from cutlayer.sim.views.trace import trace_events

SERVER = (
    "server: {device: server-8-core, slots: 1, link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 1 ms}}"
)
WEAK = "{device: raspberry-pi-3b-plus, count: 3, link: 4g, name: weak}"
STRONG = "{device: jetson-nano, count: 2, link: 4g, name: strong}"
SCENARIO = f"""
name: peers
data: {{dataset: digits, test_fraction: 0.2, train_samples: 100}}
model: {{name: vgg5, cut: 1}}
training: {{rounds: 2, batch_size: 10, optimizer: {{name: sgd, lr: 0.01, momentum: 0.9}}}}
topology:
  star: {{{SERVER}, clients: [{WEAK}, {STRONG}]}}
methods:
  - {{splitfed: {{edges: {{peers: strong, rounds: 2}}}}}}
"""
LINK = "{up: 20 Mbit/s, down: 40 Mbit/s, delay: 5 ms}"
STATIONS = (
    "{device: raspberry-pi-3b-plus, count: 3, name: weak}, "
    "{device: jetson-nano, count: 2, name: strong}"
)
OTHERS = {
    "half duplex": "{wifi_cell: {server: {device: server-8-core, slots: 1}, "
    f"delay: 1 ms, rate: 20 Mbit/s, clients: [{STATIONS}]}}}}",
    "tiers": f"{{two_tier: {{{SERVER}, edge_nodes: [{{link: {LINK}, name: a, clients: [{WEAK}]}}, "
    f"{{link: {LINK}, device: jetson-nano, name: b, clients: [{STRONG}]}}]}}}}",
    "ring": f"{{ring: {{{SERVER}, sites: 4, link: {LINK}, clients: [{WEAK}, {STRONG}]}}}}",
}


def played(tmp_path, *overrides, **options):
    (result,) = run(scenario(tmp_path, SCENARIO, *overrides), executor="none", **options)
    assert result.status == "complete"
    return result


@pytest.mark.parametrize("topology", ["star", *OTHERS])
@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_every_topology_and_transport_conserves_bytes_and_time(tmp_path, topology, transport):
    """The engine checks the rest: bytes, one job at a time, and that the critical path is the round."""
    more = [f"topology={OTHERS[topology]}"] if topology in OTHERS else []
    names = "methods=[{splitfed: {edges: {peers: jetson-nano, rounds: 2}}}]"
    result = played(tmp_path, *more, names, f"transport={transport}")
    for closed in result.methods["splitfed"].rounds:
        assert sum(closed.critical_path_s.values()) == pytest.approx(closed.round_time_s)
        for way, total in (("up", closed.wire_up), ("down", closed.wire_down)):
            tiers = [closed.tiers[f"{tier}_bytes_{way}"] for tier in ("access", "backhaul")]
            assert sum(tiers) == total
            assert min(tiers) > 0


def test_weak_clients_are_assigned_to_peers_in_turn(tmp_path):
    topology = plan_checked(scenario(tmp_path, SCENARIO), trains=False)[0].topology
    _, options = options_of(scenario(tmp_path, SCENARIO).scenario.methods[0])
    edge_nodes = edge_nodes_of(topology, options)
    assert edge_nodes.names == ("strong-0", "strong-1")
    assert [edge_nodes.of(i) for i in range(5)] == [f"strong-{i}" for i in (0, 1, 0, 0, 1)]
    one = options.model_copy(update={"edges": options.edges.model_copy(update={"peers": "weak-1"})})
    assert [edge_nodes_of(topology, one).of(i) for i in range(5)] == ["weak-1"] * 5


@pytest.mark.parametrize("policy", ["drop", "resume"])
def test_weak_clients_that_go_offline(tmp_path, policy):
    absence = (
        f"[{{clients: weak, offline: [{{from: 500 ms, until: 6 s}}], on_disconnect: {policy}}}]"
    )
    (method,) = played(tmp_path, f"availability={absence}").methods.values()
    first = method.rounds[0]
    assert first.clients_dropped == (3 if policy == "drop" else 0)
    assert sum(first.critical_path_s.values()) == pytest.approx(first.round_time_s)


def test_a_peer_is_one_actor_in_results_and_views(tmp_path):
    result = played(tmp_path, "training.clients_per_round=4", out=tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert list(summary["methods"]["splitfed"]["nodes"]) == ["server", "strong-0", "strong-1"]
    saved = read_run(tmp_path / "out")
    names = [str(name) for name in saved.events["actor_names"]]
    assert len(names) == len(set(names))
    assert timelines(saved)
    rows = saved.rounds("splitfed")
    chain = critical_chain(saved, "splitfed", 0)
    assert sum(link.seconds for link in chain) == pytest.approx(rows[0]["round_time_s"])
    lanes = {lane for chart in timelines(saved) for series in chart.series for lane in series.y}
    assert {"strong-0: slots", "strong-1: uplink", "strong-1: downlink", "weak-0: device"} <= lanes
    threads = {
        event["args"]["name"] for event in trace_events(result) if event["name"] == "thread_name"
    }
    assert {"strong-0 slot 1", "strong-1: uplink", "weak-0: device"} <= threads


@pytest.mark.parametrize("client", ["weak-1", "strong-0"])
def test_a_client_s_transfers_are_explained(tmp_path, client):
    """A peer sends nothing as a client."""
    plan = plan_checked(scenario(tmp_path, SCENARIO), trains=False)[0]
    found = explain(plan, "splitfed", 0, client)
    kept, *_ = played(tmp_path).methods["splitfed"].kept
    sent = sum(t.wire_bytes for t in found.transfers if t.direction == "up")
    assert sent == kept.record.wire_up[kept.participants.index(client)]
    assert (sent > 0) == (client == "weak-1")


def test_the_memory_of_peers_is_checked(tmp_path):
    """`strong-0` has the server blocks of two weak clients and itself, `strong-1` those of two."""
    plan = plan_checked(scenario(tmp_path, SCENARIO), trains=False)[0]
    method, options = options_of(plan.scenario.methods[0])
    three, two = edge_memory(plan, method, options).values()
    assert three > two > device_memory(plan, method, 1, 10)
    model = 4 * sum(block.parameters for block in plan.blocks)
    assert server_memory(plan, method, options) == 2 * model
    small = "devices={small: {device: jetson-nano, memory: 5 MB}}"
    with pytest.raises(ScenarioError, match=r"needs .* on strong-0, a small, which has 5 MB"):
        played(tmp_path, small, "topology.star.clients.1.device=small")


BY_NAME = "methods=[{{splitfed: {{edges: {{peers: {}}}}}}}]"
OFFLINE = "[{clients: strong-1, offline: [{from: 1 s, until: 6 s}], on_disconnect: resume}]"
REFUSED = {
    "an unknown name": (
        [BY_NAME.format("stronk")],
        r"edges\.peers: is neither a device, a group nor a client of the topology; did you mean"
        r" 'strong'\?",
    ),
    "all clients": (
        [BY_NAME.format("strong"), f"topology.star.clients=[{STRONG}]"],
        r"edges\.peers: names all clients: peers compute for others \(got 'strong'\)",
    ),
    "a place for the block": (
        ["methods=[{splitfed: {edges: {peers: strong, server_block: edge}}}]"],
        "has server_block beside peers, which have the server block: remove it",
    ),
    "a method without a server block": (
        ["methods=[{classic_fl: {edges: {peers: strong}}}]"],
        r"classic_fl\.edges\.peers",
    ),
    "a peer that goes offline": (
        [f"availability={OFFLINE}"],
        "needs peers without an entry in availability, and strong-1 has one: remove it",
    ),
    "a peer of varying speed": (
        ["computing=[{clients: strong, variability: {lognormal: 0.3}}]"],
        "needs peers without an entry in computing, and strong-0 has one: remove it",
    ),
    "a deadline": (["training.closing={first: 2}"], "splitfed with edges waits for every client"),
    "several cuts": (["model.cut={weak: 1, strong: 2}"], "needs one cut for all clients"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path, case):
    overrides, message = REFUSED[case]
    with pytest.raises(ScenarioError, match=message) as raised:
        played(tmp_path, *overrides)
    assert len(raised.value.problems) == 1


def test_check_shows_the_memory_of_peers(cli):
    (cli.folder / "peers.yaml").write_text(SCENARIO, encoding="utf-8")
    heading = cli("check", "peers.yaml").out.split("vgg5")[1]
    assert "a peer" in heading

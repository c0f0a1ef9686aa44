"""Edge nodes that average in whole runs: every topology, transport and result file; what is refused."""

import json

import numpy as np
import pytest
from small_scenarios import scenario

from cutlayer import run
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.memory import edge_memory, server_memory
from cutlayer.sim.log.intervals import Phase
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.results.critical_path import critical_chain
from cutlayer.sim.results.read import read_run
from cutlayer.sim.run.explain import explain
from cutlayer.sim.views.timeline import timelines
from cutlayer.sim.views.trace import trace_events

LINK = "{up: 20 Mbit/s, down: 40 Mbit/s, delay: 5 ms}"
EDGE = f"link: {LINK}, device: jetson-nano, slots: 2"
PI = "device: raspberry-pi-4b, count: 2"
SERVER = (
    "server: {device: server-8-core, slots: 1, link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 1 ms}}"
)
SCENARIO = f"""
name: edges
data: {{dataset: digits, test_fraction: 0.2, train_samples: 120}}
model: {{name: vgg5, cut: 1}}
training: {{rounds: 2, batch_size: 10, optimizer: {{name: sgd, lr: 0.01, momentum: 0.9}}}}
topology:
  two_tier:
    {SERVER}
    edge_nodes:
      - {{name: a, {EDGE}, clients: [{{{PI}, link: 4g}}]}}
      - {{name: b, {EDGE}, clients: [{{device: jetson-nano, link: 4g, name: c}}]}}
methods:
  - {{classic_fl: {{edges: {{rounds: 2}}}}}}
  - {{splitfed: {{edges: {{rounds: 2}}}}}}
  - {{splitfed: {{edges: {{rounds: 2, server_block: edge}}}}, label: at the edge}}
  - {{ecofed: {{edges: {{rounds: 3, server_block: edge}}, download_device_block: true}}}}
"""
SITE = "device: jetson-nano"
OTHERS = {
    "cellular": f"{{cells: {{{SERVER}, cells: [{{cellular: {{{SITE}, backhaul: {LINK}, delay: 9 ms, "
    f"clients: [{{{PI}, up: 8 Mbit/s, down: 30 Mbit/s}}, {{{PI}, up: 3 Mbit/s, down: 9 Mbit/s, "
    "name: far}]}}]}}",
    "wifi": f"{{cells: {{{SERVER}, cells: [{{wifi: {{{SITE}, backhaul: {LINK}, delay: 1 ms, count: 2, "
    f"clients: [{{{PI}, rate: 20 Mbit/s}}, {{{PI}, rate: 5 Mbit/s, name: far}}]}}}}]}}}}",
    "ring": f"{{ring: {{{SERVER}, sites: 4, {SITE}, link: {LINK}, clients: [{{{PI}, link: 4g}}]}}}}",
    "regions": f"{{three_tier: {{{SERVER}, regions: [{{link: {LINK}, count: 2, edge_nodes: "
    f"[{{{EDGE}, clients: [{{{PI}, link: 4g}}]}}]}}]}}}}",
}


def played(tmp_path, *overrides, **options):
    (result,) = run(scenario(tmp_path, SCENARIO, *overrides), executor="none", **options)
    assert result.status == "complete"
    return result


@pytest.mark.parametrize("topology", OTHERS)
@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_every_topology_and_transport_conserves_bytes_and_time(tmp_path, topology, transport):
    """The engine checks the rest: bytes, slots, and that the critical path is the round."""
    result = played(tmp_path, f"topology={OTHERS[topology]}", f"transport={transport}")
    for method in result.methods.values():
        for closed in method.rounds:
            assert sum(closed.critical_path_s.values()) == pytest.approx(closed.round_time_s)
            tiers = closed.tiers
            for way, total in (("up", closed.wire_up), ("down", closed.wire_down)):
                between = total - tiers[f"access_bytes_{way}"]
                assert between >= 0  # edge nodes and server
                if method.label == "splitfed":
                    assert tiers[f"backhaul_bytes_{way}"] > 10 * between
                else:
                    assert tiers[f"backhaul_bytes_{way}"] == between
            assert 0 < tiers["backhaul_busy_s"] <= closed.round_time_s


@pytest.mark.parametrize("policy", ["drop", "resume"])
@pytest.mark.parametrize("since", ["1200 ms", "20 ms"])
def test_clients_that_go_offline(tmp_path, policy, since):
    """At 20 ms, their edge rounds have not begun."""
    offline = f"offline: [{{from: {since}, until: 6 s}}]"
    absence = f"[{{clients: a.raspberry-pi-4b, {offline}, on_disconnect: {policy}}}]"
    result = played(tmp_path, f"availability={absence}")
    for method in result.methods.values():
        first = method.rounds[0]
        assert first.clients_dropped == (2 if policy == "drop" else 0)
        assert sum(first.critical_path_s.values()) == pytest.approx(first.round_time_s)


def test_what_varies_between_rounds_is_drawn_for_every_edge_round(tmp_path):
    more = (
        "computing=[{clients: a.raspberry-pi-4b, variability: {lognormal: 0.3}}]",
        "topology.two_tier.edge_nodes.0.link={up: 20 Mbit/s, down: 40 Mbit/s, delay: 5 ms,"
        " jitter: {lognormal: 0.3}}",
    )
    one, same, other = (
        played(tmp_path, *more, f"seed={seed}").methods["splitfed"] for seed in (0, 0, 1)
    )
    assert one.event_digest == same.event_digest != other.event_digest
    log = one.kept[0].record.intervals
    down = log.phase == Phase.DOWNLINK
    assert len(set(log.delay[down & (log.actor < -1)].tolist())) == 1  # from edge node to client
    assert len(set(log.delay[(log.actor < 0) & (log.peer == -2)].tolist())) == 1
    assert len(set(log.delay[down & (log.actor == -1) & (log.peer >= 0)].tolist())) > 2


def test_result_files_name_the_edge_nodes(tmp_path):
    result = played(tmp_path, out=tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    entry = summary["methods"]["at the edge"]
    assert list(entry["nodes"]) == ["server", "a", "b"]
    assert entry["nodes"]["server"]["jobs"] == 2
    assert entry["nodes"]["a"]["slots"] == 2
    saved = read_run(tmp_path / "out")
    for label, method in result.methods.items():
        rows = saved.rounds(label)
        total = sum(row["backhaul_bytes_up"] for row in rows)
        assert total == method.tiers()["backhaul_bytes_up"] > 0
        log = saved.intervals(label, 0)
        names = saved.events["actor_names"]
        actors = {str(name) for name in names[log["actor"]]}
        assert {"server", "a", "b"} <= actors
        uplinks = log["actor"][(log["phase"] == 1) & (names[log["peer"]] == "server")]
        from_edges = {str(name) for name in names[np.unique(uplinks)]}
        assert {"a", "b"} <= from_edges
        chain = critical_chain(saved, label, 0)
        assert sum(link.seconds for link in chain) == pytest.approx(rows[0]["round_time_s"])
        assert "server" not in {link.who for link in chain if link.phase == "downlink"}
    lanes = {lane for chart in timelines(saved) for series in chart.series for lane in series.y}
    assert {"a: slots", "b: uplink", "a: downlink", "server: slots"} <= lanes
    threads = {
        event["args"]["name"] for event in trace_events(result) if event["name"] == "thread_name"
    }
    assert {"a slot 1", "b: uplink", "server slot 1", "a: downlink"} <= threads


def test_links_between_edge_nodes_and_the_server_have_a_utilisation(tmp_path):
    """By hand: the bytes of a link over its rate and the round's time."""
    closed = played(tmp_path, "training.rounds=1").methods["classic_fl"].rounds[0]
    used, one = closed.utilisation, closed.tiers["backhaul_bytes_up"] / 2
    assert used["a.up"] == used["b.up"] == pytest.approx(one / (20e6 / 8 * closed.round_time_s))
    assert 0 < used["a.down"] < used["a.up"]


def test_tiers_and_nodes_are_printed_and_reported(cli):
    (cli.folder / "edges.yaml").write_text(SCENARIO, encoding="utf-8")
    answer = cli("run", "edges.yaml", "--executor", "none", "--traffic", "--no-plots", "--out", "a")
    lines = answer.out.split("Traffic by tier")[1].splitlines()
    rows = {line.split()[0]: line for line in lines if line.strip()}
    assert {"method", "classic_fl", "splitfed", "ecofed"} <= rows.keys()
    check = cli("check", "edges.yaml").out
    assert "memory of" in check
    assert "an edge" in check
    report = cli("report", "a", "--out", "page.html")
    assert report.code == 0
    page = (cli.folder / "page.html").read_text(encoding="utf-8")
    assert "Traffic by tier" in page
    assert "Server and edge nodes" in page


@pytest.mark.parametrize("label", ["classic_fl", "splitfed", "at the edge", "ecofed"])
def test_a_client_s_transfers_are_explained(tmp_path, label):
    plan = plan_checked(scenario(tmp_path, SCENARIO), trains=False)[0]
    found = explain(plan, label, 1, "a.raspberry-pi-4b-1")
    (record,) = [
        kept.record
        for kept in played(tmp_path, log="events").methods[label].kept
        if kept.index == 1
    ]
    sent = sum(t.wire_bytes for t in found.transfers if t.direction == "up")
    assert sent == record.wire_up[1]


def test_a_client_without_an_edge_node_is_refused_once_for_each_method(tmp_path):
    edges = "topology.two_tier.edge_nodes"
    without = f"{edges}.1={{name: b, link: {LINK}, clients: [{{{PI}, link: 4g}}]}}"
    with pytest.raises(ScenarioError) as refused:
        played(tmp_path, without)
    assert len(refused.value.problems) == 4
    complaint = str(refused.value.problems[0])
    assert (
        "methods.0.classic_fl.edges: needs a node with a device between every client" in complaint
    )
    assert "b.raspberry-pi-4b-0 has none: give b a device" in complaint
    star = f"topology={{star: {{{SERVER}, clients: [{{{PI}, link: 4g}}]}}}}"
    with pytest.raises(
        ScenarioError, match=r"has none: choose a topology with edge nodes \(two_tier\)"
    ):
        played(tmp_path, star)


def test_a_round_with_edge_nodes_cannot_close_early_or_have_several_cuts(tmp_path):
    with pytest.raises(ScenarioError, match="classic_fl with edges waits for every client"):
        played(tmp_path, "training.closing={first: 2}")
    with pytest.raises(ScenarioError, match="splitfed with edges needs one cut for all clients"):
        played(tmp_path, "model.cut={raspberry-pi-4b: 1, jetson-nano: 2}")


def test_the_memory_of_edge_nodes_is_checked(tmp_path):
    """Edge node `a` has two replicas, `b` one; the server has none when edge nodes have them."""
    plan = plan_checked(scenario(tmp_path, SCENARIO), trains=False)[0]
    flat, split, at_edge = (
        options_of(entry) for entry in (plan.scenario.methods[i] for i in (0, 1, 2))
    )
    two, one = edge_memory(plan, *at_edge).values()
    model = 4 * sum(block.parameters for block in plan.blocks)
    assert two > one > edge_memory(plan, *split)["a"] == edge_memory(plan, *flat)["a"] == 2 * model
    assert server_memory(plan, *split) > server_memory(plan, *at_edge) == 2 * model
    small = "devices={small: {device: jetson-nano, memory: 5 MB}}"
    edge = "topology.two_tier.edge_nodes.0.device=small"
    with pytest.raises(ScenarioError, match=r"at the edge needs .* on a, a small, which has 5 MB"):
        played(tmp_path, small, edge)

"""Edge nodes in timelines, traces and critical paths: lanes and tracks of their own, by name."""

import json
from pathlib import Path

import pytest
from small_scenarios import read

from cutlayer.sim.results.critical_path import critical_chain
from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.run.run import run
from cutlayer.sim.views.timeline import timelines
from cutlayer.sim.views.trace import write_trace

EDGES = """\
name: edges
data: {dataset: digits, partition: {sizes: 20}}
model: {name: lenet, cut: 1}
training: {rounds: 1, batch_size: 10, optimizer: {name: sgd, lr: 0.01}}
topology:
  two_tier:
    server: {device: server-8-core, slots: 1}
    edge_nodes:
      - device: laptop-8-core
        name: office
        link: {up: 20 Mbit/s, down: 100 Mbit/s, delay: 5 ms}
        clients: [{device: raspberry-pi-4b, count: 2, name: pi, link: 4g}]
      - device: laptop-8-core
        name: home
        link: {up: 20 Mbit/s, down: 100 Mbit/s, delay: 5 ms}
        clients: [{device: raspberry-pi-4b, count: 1, name: pi, link: 4g}]
methods: [{classic_fl: {edges: {rounds: 2}}}]
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedRun:
    folder: Path = tmp_path_factory.mktemp("run") / "out"
    (result,) = run(read(EDGES), executor="none", out=folder)
    write_trace(result, folder / "trace.json")
    return read_run(folder)


def test_edge_nodes_have_lanes_and_tracks_of_their_own(saved: SavedRun) -> None:
    (chart,) = timelines(saved)
    lanes = {lane for series in chart.series for lane in series.y}
    events = json.loads((saved.path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    tracks = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
    for name in ("office", "home"):
        assert f"{name} slot 1" in tracks
        for direction in ("uplink", "downlink"):
            assert f"{name}: {direction}" in lanes
            assert f"{name}: {direction}" in tracks


def test_the_path_of_a_round_leads_through_an_edge_node(saved: SavedRun) -> None:
    chain = critical_chain(saved, "classic_fl", 0)
    assert chain[-1].end_s == saved.rounds("classic_fl")[0]["round_time_s"]
    who = [link.who for link in chain if link.what == "weights"]
    edge = who[0]  # the model goes from the server to an edge node first
    assert edge in ("office", "home")
    assert who[-1] == edge
    assert len(who) == 6  # down to the edge, twice down and up below it, up to the server

"""Traces and networks in the formats of real data sets: right values, or an error of one line."""

import json
import os

import pytest
from command_line import CommandLine, assert_refused

from cutlayer import load_scenario, run
from cutlayer.sim.build.topology import make_topology

SCENARIO = """\
name: real
data: {{dataset: digits, partition: {{sizes: 10}}}}
model: {{name: lenet, cut: 1}}
training: {{rounds: 1, batch_size: 10, optimizer: {{name: sgd, lr: 0.05}}}}
topology: {topology}
methods: [classic_fl]
{more}
"""
STAR = """\
{{star: {{server: {{device: server-8-core, slots: 4}}, clients:
    [{{device: raspberry-pi-4b, count: 2, link: {{up: {up}, down: 10 Mbit/s, delay: 20 ms}}}}]}}}}"""
NETWORK = """\
{{network_file: {{file: net.json, rate: 1 Gbit/s, delay: {delay},
    server: {{device: server-8-core, slots: 4, at: {server}}},
    clients: [{{device: raspberry-pi-4b, count: 1, link: 4g, at: {at}}}]}}}}"""


def written(
    cli: CommandLine, topology: str, *, more: str = "", net: dict[str, object] | None = None
) -> None:
    """Write real.yaml and, for a network, net.json."""
    (cli.folder / "real.yaml").write_text(SCENARIO.format(topology=topology, more=more))
    if net is not None:
        (cli.folder / "net.json").write_text(json.dumps(net))


def nodes(*described: dict[str, object], edges: list[str]) -> dict[str, object]:
    """A node-link network with edges written as `ab`, or `01` for numbers."""
    ends = [[int(end) if end.isdigit() else end for end in edge] for edge in edges]
    return {"nodes": list(described), "edges": [{"source": s, "target": t} for s, t in ends]}


def test_a_trace_in_megabits_is_read_as_megabits(cli: CommandLine) -> None:
    times = []
    for name, text in [
        ("mbps.csv", "time_s,mbps\n0,10\n60,5\n"),
        ("bytes.csv", "0,1250000\n60,625000\n"),
        ("ms.csv", "\ufefftime (ms),kbit/s\r\n0,10000\r\n60000,5000\r\n"),
    ]:
        (cli.folder / name).write_text(text, encoding="utf-8")
        written(cli, STAR.format(up=f"{{trace: {name}}}"))
        (result,) = run(load_scenario(cli.folder / "real.yaml"), executor="none")
        times.append(result.methods["classic_fl"].virtual_time_s)
    assert times[0] == times[1] == times[2]
    written(cli, STAR.format(up="10 Mbit/s"))  # the round ends within the first 60 s
    (result,) = run(load_scenario(cli.folder / "real.yaml"), executor="none")
    assert result.methods["classic_fl"].virtual_time_s == times[0] < 60


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"time_s,mb/s\n0,10\n", ["t.csv, line 1", "'mb/s' is not understood"]),
        ("t.trace", b"\x1f\n", ["t.trace is not text", "U+001F"]),
        ("t.trace", b"1700000000000\n1700000000010\n", ["times of a clock", "1700000000000"]),
        ("t.csv", b"seconds,bytes_per_\0s\n0,\r1000000\n", ["line 1", "U+0000"]),
    ],
)
def test_an_unreadable_trace_is_an_error_of_one_line(
    cli: CommandLine, name: str, content: bytes, words: list[str]
) -> None:
    (cli.folder / name).write_bytes(content)
    written(cli, STAR.format(up=f"{{trace: {name}}}"))
    path = "topology.star.clients.0.link.up"
    assert_refused(cli("check", "real.yaml", "--executor", "none"), path, *words)


@pytest.mark.parametrize(
    ("topology", "more"),
    [
        (STAR.format(up="{trace: fifo.csv}"), ""),
        (STAR.format(up="{trace: fifo}"), ""),
        (STAR.format(up="8 MB/s"), "speeds: [{clients: raspberry-pi-4b, scores: fifo, column: x}]"),
        (STAR.format(up="8 MB/s"), "devices: {mine: {profile: fifo}}"),
        (
            STAR.format(up="8 MB/s"),
            "availability: [{clients: raspberry-pi-4b, trace: fifo, on_disconnect: resume}]",
        ),
        (NETWORK.format(delay="distance", server="a", at="b").replace("net.", "fifo."), ""),
    ],
)
def test_a_pipe_is_refused_and_does_not_block(cli: CommandLine, topology: str, more: str) -> None:
    for name in ("fifo", "fifo.csv", "fifo.json"):
        os.mkfifo(cli.folder / name)
    written(cli, topology, more=more)
    answer = cli("check", "real.yaml", "--executor", "none")
    assert_refused(answer, "is a pipe, not a file")


def test_latitude_and_longitude_give_delays(cli: CommandLine) -> None:
    zurich = {"id": "a", "lat": 47.4, "long": 8.5}
    paris = {"id": "b", "lat": 48.9, "long": 2.3}
    written(
        cli,
        NETWORK.format(delay="distance", server="a", at="b"),
        net=nodes(zurich, paris, edges=["ab"]),
    )
    topology = make_topology(load_scenario(cli.folder / "real.yaml").scenario, 0)
    assert topology.links["a->b"].delay_s == pytest.approx(490e3 / 2e8, rel=0.01)


def test_unique_labels_are_names_and_repeated_ones_are_not(cli: CommandLine) -> None:
    labels = ["London", "Paris", "?", "?"]
    described = [{"id": number, "label": label} for number, label in enumerate(labels)]
    net = nodes(*described, edges=["01", "12", "13"])
    for at, named in [("Paris", "Paris"), ("1", "Paris"), ("3", "3"), ("[0, London]", "London")]:
        written(cli, NETWORK.format(delay="1 ms", server="London", at=at), net=net)
        topology = make_topology(load_scenario(cli.folder / "real.yaml").scenario, 0)
        assert topology.clients[0] == f"{named}.raspberry-pi-4b-0"
    written(cli, NETWORK.format(delay="1 ms", server="London", at='"?"'), net=net)
    assert_refused(
        cli("check", "real.yaml", "--executor", "none"),
        "topology.network_file.clients.0.at: is the name of 2 nodes of the network",
        "choose one by its id (2, 3)",
    )


def test_the_delay_of_a_node_without_a_position_is_guessed_and_reported(cli: CommandLine) -> None:
    net = nodes(
        {"id": "a", "lat": 0, "lon": 0},
        {"id": "b", "lat": 0, "lon": 1},
        {"id": "exchange"},
        edges=["ab"],
    )
    net["edges"] = [{"source": "a", "target": "b"}, {"source": "b", "target": "exchange"}]
    written(cli, NETWORK.format(delay="distance", server="a", at="exchange"), net=net)
    answer = cli("check", "real.yaml", "--executor", "none")
    assert answer.code == 0, answer.err
    said = (
        "network net.json: the delay of 1 of 2 edges, an end of which has no position, is guessed"
    )
    assert said in answer.out
    topology = make_topology(load_scenario(cli.folder / "real.yaml").scenario, 0)
    assert topology.links["b->exchange"].delay_s == topology.links["a->b"].delay_s
    given = "{distance: {otherwise: 7 ms}}"
    written(cli, NETWORK.format(delay=given, server="a", at="exchange"), net=net)
    answer = cli("check", "real.yaml", "--executor", "none")
    assert answer.code == 0, answer.err
    assert "is guessed" not in answer.out
    topology = make_topology(load_scenario(cli.folder / "real.yaml").scenario, 0)
    assert topology.links["b->exchange"].delay_s == 0.007


def test_a_disconnected_tree_is_reported_and_not_used(cli: CommandLine) -> None:
    net = nodes(*({"id": name} for name in "abcd"), edges=["ab", "cd"])
    for at, clients in [("b", 1), ("all", 2), ("spread", 1)]:
        written(cli, NETWORK.format(delay="1 ms", server="a", at=at), net=net)
        for command in (["check", "--executor", "none"], ["show"], ["run", "--executor", "none"]):
            answer = cli(command[0], "real.yaml", *command[1:])
            assert answer.code == 0, answer.err
            if command[0] != "run":
                assert "nodes are not connected with the server: c, d" in answer.out
        topology = make_topology(load_scenario(cli.folder / "real.yaml").scenario, 0)
        assert len(topology.clients) == clients
    written(cli, NETWORK.format(delay="1 ms", server="a", at="[b, d]"), net=net)
    assert_refused(
        cli("check", "real.yaml", "--executor", "none"),
        "topology.network_file.clients.0.at.1: is not connected with the server at 'a'",
    )

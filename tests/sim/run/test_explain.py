"""`cutlayer explain`: limits of transfers, compared with the log, formulas and accounts."""

import csv
import json
import re
from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused, rows
from small_scenarios import MIXED, PLAIN, scenario

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.world import make_method
from cutlayer.sim.commands.explain import summary
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.explain import Explained, Transfer, explain
from cutlayer.sim.run.pieces import SET_UP, SLOW_START
from cutlayer.sim.run.stop_condition import StopCondition
from cutlayer.sim.run.windows import make_engine
from cutlayer.sim.transport.tcp_formulas import HEADER_EFFICIENCY, MSS_BYTES

ONE = PLAIN + "methods: [splitfed]\n"
LINK = {"up": 1e6, "down": 2e6}  # bytes/s, of PLAIN
RTT_S = 0.04
SHARED = """\
name: shared
data: {dataset: digits, train_samples: 160, partition: {sizes: 40}}
model: {name: vgg5, cut: 1}
training: {rounds: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
devices:
  slow: {speed: 1 GFLOP/s}
  fast: {speed: 100 GFLOP/s}
topology:
  two_tier:
    server: {device: fast, slots: 4}
    edge_nodes:
      - link: {up: 2 Mbit/s, down: 100 Mbit/s, delay: 5 ms}
        clients: [{device: slow, count: 4, name: pi, link: {up: 8 Mbit/s, down: 8 Mbit/s, delay: 1 ms}}]
methods: [splitfed, classic_fl]
"""
COMMUTERS = MIXED.replace(
    "methods:",
    """availability:
  - clients: raspberry-pi-4b
    markov: {online: 3 s, offline: 1 s}
    on_disconnect: resume
methods:""",
)


def explained(folder: Path, text: str, *overrides: str, **what: object) -> Explained:
    plan = plan_checked(scenario(folder, text, *overrides), trains=False)[0]
    return explain(plan, **what)  # type: ignore[arg-type]


def held(transfer: Transfer, *names: str) -> float:
    return sum(piece.seconds for piece in transfer.pieces if piece.held_by in names)


def assert_sound(found: Explained) -> None:
    """Check that pieces fill each transfer, carry its bytes, and agree with the transport's account."""
    for transfer in found.transfers:
        pieces, account = transfer.pieces, transfer.account
        ends = [transfer.start_s, *(piece.end_s for piece in pieces)]
        assert [piece.start_s for piece in pieces] == ends[:-1]
        assert ends[-1] == transfer.end_s
        carried = sum(piece.seconds * piece.rate for piece in pieces)
        assert carried == pytest.approx(transfer.wire_bytes, rel=1e-6, abs=1)
        own = [f"{found.client}.{direction}" for direction in ("up", "down")]
        near = {"rel": 1e-6, "abs": 1e-6}
        assert held(transfer, SET_UP) == pytest.approx(account.connect_s, **near)
        assert held(transfer, SLOW_START) == pytest.approx(account.slow_start_s, **near)
        assert held(transfer, "window") == pytest.approx(account.window_s, **near)
        assert held(transfer, "loss") == pytest.approx(account.loss_s, **near)
        assert held(transfer, *own) == pytest.approx(account.own_link_s, **near)
        names = {piece.held_by for piece in pieces if piece.seconds > 1e-6}
        shared = names - {SET_UP, SLOW_START, "window", "loss", *own}
        assert held(transfer, *shared) == pytest.approx(account.shared_s, **near)


def test_alone_on_its_link_a_transfer_runs_at_the_links_rate(tmp_path: Path) -> None:
    found = explained(tmp_path, ONE)
    assert_sound(found)
    assert (found.label, found.client, found.rtt_s) == ("splitfed", "slow-0", RTT_S)
    for transfer in found.transfers:
        link = f"slow-0.{transfer.direction}"
        assert {piece.held_by for piece in transfer.pieces} == {link}
        assert transfer.cap_from == link
        assert transfer.cap == pytest.approx(LINK[transfer.direction])
        assert transfer.mean_rate == pytest.approx(LINK[transfer.direction])
        assert transfer.carried_bytes == transfer.wire_bytes > transfer.payload_bytes
        assert transfer.delay_s == RTT_S / 2
        assert not transfer.dropped


def test_transfers_are_named_after_the_log(tmp_path: Path) -> None:
    found = explained(tmp_path, ONE)
    named = [(t.direction, t.activity) for t in found.transfers]
    batches = [("up", "activation"), ("down", "gradient")] * 3
    assert named == [("down", "weights"), *batches, ("up", "weights")]
    assert [t.number for t in found.transfers] == list(range(8))
    assert sum(t.wire_bytes for t in found.transfers if t.direction == "up") == found.rnd.wire_up
    assert sum(t.payload_bytes for t in found.transfers if t.direction == "down") == (
        found.rnd.payload_down
    )


def test_tcp_opens_the_connection_once_and_starts_slowly(tmp_path: Path) -> None:
    found = explained(tmp_path, ONE, "transport=tcp")
    assert_sound(found)
    first, *others = found.transfers
    assert held(first, SET_UP) == pytest.approx(RTT_S)
    assert all(held(t, SET_UP) == 0 for t in others)
    assert first.pieces[0].rate == 0
    for transfer in found.transfers:
        assert transfer.carried_bytes == pytest.approx(transfer.wire_bytes / HEADER_EFFICIENCY)
    (upload, *_) = [t for t in found.transfers if t.activity == "activation"]
    slow = [piece for piece in upload.pieces if piece.held_by == SLOW_START]
    assert slow[0].rate == pytest.approx(10 * MSS_BYTES / RTT_S)
    assert upload.account.rounds >= 1
    assert upload.cap == pytest.approx(LINK["up"] * HEADER_EFFICIENCY)


def test_a_small_window_caps_transfers(tmp_path: Path) -> None:
    found = explained(tmp_path, ONE, "transport={tcp: {window: 16 kB, slow_start: false}}")
    assert_sound(found)
    for transfer in found.transfers:
        assert (transfer.cap, transfer.cap_from) == (pytest.approx(16_000 / RTT_S), "window")
    totals = found.held_s()
    assert set(totals) == {"window", SET_UP}
    assert next(iter(totals)) == "window"
    assert sum(totals.values()) == pytest.approx(sum(t.seconds for t in found.transfers))


def test_slow_start_ends_at_the_window(tmp_path: Path) -> None:
    found = explained(tmp_path, ONE, "transport={tcp: {window: 32 kB}}")
    assert_sound(found)
    (upload, *_) = [t for t in found.transfers if t.activity == "activation"]
    held_by = [piece.held_by for piece in upload.pieces if piece.seconds > 0]
    assert held_by == [SLOW_START] * upload.account.rounds + ["window"]
    assert upload.account.rounds == 2  # 14.6 kB and 29.2 kB, and then 58.4 kB would be more


@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_a_shared_link_is_named(tmp_path: Path, transport: str) -> None:
    found = explained(tmp_path, SHARED, f"transport={transport}", client="edge-0.pi-1")
    assert_sound(found)
    uploads = [t for t in found.transfers if t.direction == "up"]
    on_edge = sum(held(t, "edge-0.up") for t in uploads)
    assert on_edge > 0.9 * sum(t.seconds for t in uploads)
    assert all(held(t, "edge-0.down") == 0 for t in found.transfers)
    assert next(iter(found.held_s())) == "edge-0.up"
    assert "limited by edge-0.up for" in summary(found)


@pytest.mark.parametrize("text", [MIXED, COMMUTERS], ids=["always there", "coming and going"])
@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_observing_changes_nothing(tmp_path: Path, text: str, transport: str) -> None:
    methods = "methods=[splitfed]" if text is COMMUTERS else "training.rounds=3"
    loaded = scenario(tmp_path, text, f"transport={transport}", methods)
    plan = plan_checked(loaded, trains=False)[0]
    for entry in plan.scenario.methods:
        method = make_method(plan, entry, None)
        result = MethodResult(entry.label, entry.name, 0, ())
        engine = make_engine(method, result, reuse=False, keep_all=True)
        engine.run(StopCondition(3), RoundProgress())
        for index, rnd in enumerate(result.rounds):
            if rnd.straggler is None:
                continue
            found = explain(plan, entry.label, index)
            assert found.rnd == rnd
            assert_sound(found)
            kept = result.kept[index]
            member = kept.participants.index(found.client)
            for direction, total in (("up", kept.record.wire_up), ("down", kept.record.wire_down)):
                assert (
                    sum(t.wire_bytes for t in found.transfers if t.direction == direction)
                    == total[member]
                )
            assert sum(t.dropped for t in found.transfers) <= int(
                kept.record.intervals.dropped.sum()
            )


def test_a_transfer_that_was_cut_off_is_shown(tmp_path: Path) -> None:
    plan = plan_checked(scenario(tmp_path, COMMUTERS, "methods=[splitfed]"), trains=False)[0]
    told = [explain(plan, None, index) for index in range(6)]
    for found in told:
        assert ("dropped." in summary(found)) == any(t.dropped for t in found.transfers)
    dropped = [t for found in told for t in found.transfers if t.dropped]
    assert dropped, "the scenario is to cut transfers off; choose another one"
    assert all(t.payload_bytes == 0 for t in dropped)


def test_the_command_shows_the_longest_and_writes_all(cli: CommandLine) -> None:
    answer = cli("explain", "tiny.yaml", "--limit", "2", "--csv", "all.csv")
    assert (answer.code in (0, None), answer.err) == (True, "")
    lines = rows(cli.folder / "all.csv")
    assert f"The 2 longest of {len(lines)} transfers" in answer.out
    lasting = sorted(lines, key=lambda r: float(r["start_s"]) - float(r["end_s"]))[:2]
    shown = re.findall(r"^(\d+) +(?:up|down) ", answer.out, re.M)
    assert shown == sorted((r["transfer"] for r in lasting), key=int)
    assert "splitfed, round 0 (train), seed 0" in answer.out
    assert f"{len(lines)} transfers of {lines[0]['client']} took" in answer.out
    pieces = json.loads(lines[0]["held_by"])
    assert pieces[0][0] == float(lines[0]["start_s"])
    assert "all transfers: all.csv" in answer.out
    assert [path.name for path in sorted(cli.folder.iterdir())] == ["all.csv", "tiny.yaml"]


def test_options_of_the_command(cli: CommandLine) -> None:
    two = cli("explain", "tiny.yaml", "--method", "frozen", "--round", "1", "--seed", "5")
    assert "frozen, round 1 (replay), seed 5" in two.out or "frozen, round 1 (upload)" in two.out
    assert "seed 5" in two.out
    seeds = cli("explain", "tiny.yaml", "--set", "seed=null", "--set", "seeds=[3, 4]")
    assert "seed 3" in seeds.out
    none = cli("explain", "tiny.yaml", "--limit", "0")
    assert "longest" not in none.out
    assert "were limited by" in none.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "splitfid"], ["--method", "did you mean 'splitfed'?"]),
        (["--client", "raspberry-pi-4b-9"], ["--client", "did you mean 'raspberry-pi-4b-"]),
        (["--round", "3"], ["--round", "unknown round 3", "0 to 2"]),
        (["--round", "-1"], ["--round", "unknown round -1"]),
        (["--csv", "tiny.yaml"], ["--csv", "tiny.yaml exists"]),
        (
            ["--csv", "nowhere/all.csv"],
            ["--csv nowhere/all.csv: the folder nowhere does not exist"],
        ),
        (
            ["--set", "stop.virtual_time=1 ms", "--round", "2"],
            ["round 2", "not played", "after 1 round"],
        ),
    ],
)
def test_bad_input(cli: CommandLine, arguments: list[str], words: list[str]) -> None:
    assert_refused(cli("explain", "tiny.yaml", *arguments), *words)


def test_a_client_that_is_not_a_participant(cli: CommandLine) -> None:
    refused = [
        answer
        for index in range(3)
        if (answer := cli("explain", "tiny.yaml", "--client", f"raspberry-pi-4b-{index}")).code == 2
    ]
    (answer,) = refused  # two of three take part
    assert_refused(
        answer, "--client", "takes no part in round 0", "its participants are raspberry-pi-4b-"
    )


def test_a_round_without_clients(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no client took part in round 1"):
        explained(tmp_path, MIXED, label="centralised", round_index=1)


def test_every_column_is_documented(cli: CommandLine) -> None:
    cli("explain", "tiny.yaml", "--csv", "all.csv")
    with (cli.folder / "all.csv").open(newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file))
    text = (Path(__file__).parents[3] / "docs/reference/results.md").read_text(encoding="utf-8")
    part = text[text.index("## Explained transfers") :]
    assert [column for column in columns if f"`{column}`" not in part] == []


@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_transfers_to_an_edge_node_are_explained_too(tmp_path: Path, transport: str) -> None:
    """Two rounds with the edge node: the model goes down and up twice, at the rate of the own link."""
    text = SHARED.replace("- link: {up: 2", "- device: fast\n        link: {up: 2").replace(
        "[splitfed, classic_fl]", "[{classic_fl: {edges: {rounds: 2}}}]"
    )
    found = explained(tmp_path, text, f"transport={transport}")
    assert_sound(found)
    assert [t.direction for t in found.transfers] == ["down", "up"] * 2
    assert {t.activity for t in found.transfers} == {"weights"}


@pytest.mark.parametrize("transport", ["ideal", "tcp"])
def test_a_multicast_has_its_bytes_for_every_receiver(tmp_path: Path, transport: str) -> None:
    changed = f"transport={transport}", "methods=[sfl_ga]"
    sizes = []
    for client in ("edge-0.pi-0", "edge-0.pi-1"):
        found = explained(tmp_path, SHARED, *changed, client=client)
        for transfer in found.transfers:
            carried = sum(piece.seconds * piece.rate for piece in transfer.pieces)
            assert carried == pytest.approx(transfer.wire_bytes, rel=1e-6, abs=1)
        sizes.append([t.wire_bytes for t in found.transfers if t.activity == "gradient"])
    assert sizes[0] == sizes[1]
    assert min(sizes[0]) > 0

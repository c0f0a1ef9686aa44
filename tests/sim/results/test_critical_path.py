"""The critical path of a saved round: its links add up to the figures of rounds.csv."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused

from cutlayer import load_scenario, run
from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.results.critical_path import attribution, critical_chain
from cutlayer.sim.results.read import SavedRun, read_run

SETS = ["training.rounds=3", "topology.star.server.slots=1", "stop={}"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedRun:
    folder = tmp_path_factory.mktemp("run") / "out"
    run(load_scenario("quickstart", SETS), executor="none", out=folder, log="events")
    return read_run(folder)


def test_the_links_of_every_kept_round_add_up_to_its_critical_path(saved: SavedRun) -> None:
    for label in saved.methods:
        rows = {row["round"]: row for row in saved.rounds(label)}
        assert saved.kept_rounds(label) == [0, 1, 2]
        for index in saved.kept_rounds(label):
            chain = critical_chain(saved, label, index)
            assert chain[0].start_s == 0.0
            assert all(one.end_s == other.start_s for one, other in pairwise(chain))
            assert chain[-1].end_s == rows[index]["round_time_s"]
            for phase in PHASES:
                seconds = sum(link.seconds for link in chain if link.phase == phase)
                written = rows[index][f"critical_{phase}_s"]
                assert seconds == pytest.approx(written, abs=1e-9), (label, index, phase)


def test_the_last_link_is_the_straggler_s(saved: SavedRun) -> None:
    for label in ("splitfed", "classic_fl"):
        for row in saved.rounds(label):
            chain = critical_chain(saved, label, int(row["round"] or 0))
            assert chain[-1].who == row["straggler"]


def test_the_attribution_adds_up_and_names_stragglers(saved: SavedRun) -> None:
    rows = saved.rounds("splitfed")
    about = attribution("splitfed", rows)
    assert sum(about.phases_s.values()) == pytest.approx(about.total_s)
    assert sum(count for _, count in about.stragglers) == about.rounds == 3
    assert about.largest == "uplink"


def test_the_barrier_is_the_wait_for_the_slowest_client(saved: SavedRun) -> None:
    """Equal clients hardly wait; with two device types the faster clients wait for the slower ones."""
    alike = load_scenario("quickstart", [*SETS, "methods=[classic_fl]", "data.partition={sizes: 40}",
                                         "topology.star.clients.1.device=raspberry-pi-4b"])  # fmt: skip
    (result,) = run(alike, executor="none")
    for closed in result.methods["classic_fl"].rounds:  # the server averages at the end
        assert closed.barrier_s < 0.001 * closed.round_time_s
    mixed = [row["barrier_mean_s"] for row in saved.rounds("classic_fl")]
    assert all(isinstance(value, float) and value > 0.1 for value in mixed)


def test_the_command_prints_all_three(cli: CommandLine) -> None:
    cli.run()
    assert "straggler" in cli("explain", "runs/tiny").out
    rounds = cli("explain", "runs/tiny", "--method", "splitfed").out
    assert rounds.count("raspberry-pi-4b-") == 4
    path = cli("explain", "runs/tiny", "--method", "splitfed", "--round", "0")
    assert path.code in (0, None), path.err
    assert "the critical path" in path.out


@pytest.mark.parametrize("width", [80, 60])
def test_narrow_terminals_cut_nothing(
    width: int, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "every second activation, half precision"
    scenario = (cli.folder / "tiny.yaml").read_text(encoding="utf-8")
    (cli.folder / "tiny.yaml").write_text(
        scenario.replace("label: frozen", f"label: '{label}'"), encoding="utf-8"
    )
    cli.run()
    rows = read_run("runs/tiny").rounds(label)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = [
        cli("explain", "runs/tiny", *more).out
        for more in ((), ("--method", label), ("--method", label, "--round", 0))
    ]
    for text in shown:
        assert "\u2026" not in text
        assert max(map(len, text.splitlines())) <= width
    for text in shown[:2]:
        for heading in ("device", "compute", "uplink", "server", "barrier", "straggler"):
            assert heading in text
    assert label in shown[0]
    assert shown[0].count("(") >= 2  # who was last, of each method
    for row in rows:
        assert str(row["straggler"]) in shown[1]
    for heading in ("start", "duration", "share", "phase", "client", "activity"):
        assert heading in shown[2]


def test_unknown_rounds_and_methods_are_reported(cli: CommandLine) -> None:
    cli.run()
    assert_refused(cli("explain", "nowhere"), "nowhere")
    assert_refused(cli("explain", "."), "no summary.json")
    assert_refused(cli("explain", "runs/tiny", "--method", "splitfet"), "did you mean 'splitfed'?")
    assert_refused(cli("explain", "runs/tiny", "--round", "1"), "0, 2 are kept", "--log events")


def test_arrows_lead_from_upload_to_step_to_gradient(cli: CommandLine) -> None:
    cli.run()
    events = json.loads(Path("runs/tiny/trace.json").read_text(encoding="utf-8"))["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    flows: dict[int, list[dict[str, object]]] = {}
    for event in events:
        if event["ph"] in ("s", "t", "f"):
            flows.setdefault(event["id"], []).append(event)
    assert flows
    lengths = set()
    for steps in flows.values():
        names = []
        for step in steps:
            under = [
                span["name"]
                for span in spans
                if (span["pid"], span["tid"]) == (step["pid"], step["tid"])
                and span["ts"] <= step["ts"] <= span["ts"] + span["dur"]
            ]
            names.append(under)
        assert "activation" in names[0] or "control" in names[0]
        assert "train" in names[1]
        if len(steps) == 3:
            assert "gradient" in names[2]
        assert [step["ph"] for step in steps] == [*["s", "t", "f"][: len(steps) - 1], "f"]
        lengths.add(len(steps))
    assert lengths == {2, 3}  # EcoFed's batches come without a gradient


def test_the_old_command_is_still_understood_for_a_release(cli: CommandLine) -> None:
    cli.run()
    old, new = cli("why", "runs/tiny"), cli("explain", "runs/tiny")
    assert old.out == new.out
    assert old.err == "cutlayer: why is deprecated: write explain\n"
    assert "why" not in cli("--help").out.split()


def test_the_fastest_method_is_compared_with_the_first(cli: CommandLine) -> None:
    """The differences of the phases add up to that of the round times."""
    cli.run("methods=[classic_fl, splitfed]")
    said = " ".join(cli("explain", "runs/tiny").out.split())
    runs = read_run("runs/tiny")
    found = [attribution(label, runs.rounds(label)) for label in runs.methods]
    own, other = sorted(found, key=lambda about: about.total_s)
    ratio = other.total_s / own.total_s
    assert f"{own.label} is {ratio:.2f} times as fast as {other.label}" in said


def test_options_of_a_scenario_are_refused_for_a_run(cli: CommandLine) -> None:
    cli.run()
    for option in (("--client", "x"), ("--seed", "1"), ("--set", "seed=1"), ("--limit", "3")):
        assert_refused(cli("explain", "runs/tiny", *option), option[0], "is a run folder")

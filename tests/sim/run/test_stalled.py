"""Runs in which a round can never end: status, exit code, and the output of `check`."""

import re

import pytest
from command_line import CommandLine, rows, summary

from cutlayer import load_scenario, run

NOBODY = "changes=[{at: 0 s, clients: raspberry-pi-4b, up: 0 bit/s}]"
LATER = "changes=[{at: 30 s, clients: raspberry-pi-4b, up: 0 bit/s}]"
ALL = "training.clients_per_round=3"
WHO = (
    "no client can finish, their links have zero capacity"
    " (raspberry-pi-4b-0.up, raspberry-pi-4b-1.up, raspberry-pi-4b-2.up)"
)


def test_a_run_in_which_nothing_can_finish_is_stalled(cli: CommandLine) -> None:
    answer = cli.run(NOBODY, ALL)
    assert answer.code == 3
    content = summary(cli.folder / "runs/tiny")
    assert content["status"] == "stalled"
    for label in ("splitfed", "frozen"):
        method = content["methods"][label]
        assert method["rounds"] == 0
        assert method["ended"] == f"round 0 never ends: {WHO}"
        assert f"{label} stalled (seed 0) after 0 rounds: round 0 never ends: {WHO}." in answer.out
    assert "nothing to compare" in answer.out


def test_a_run_that_gets_stuck_later_keeps_the_rounds_before(cli: CommandLine) -> None:
    answer = cli.run(LATER, ALL, "training.rounds=1000", "methods=[splitfed]")
    assert answer.code == 3
    folder = cli.folder / "runs/tiny"
    content = summary(folder)
    method = content["methods"]["splitfed"]
    assert content["status"] == "stalled"
    assert method["rounds"] == len(rows(folder / "rounds.csv")) > 0
    assert method["ended"] == f"round {method['rounds']} never ends: {WHO}"
    assert f"splitfed stalled (seed 0) after {method['rounds']} rounds" in answer.out
    before = f"training.rounds={method['rounds']}"
    assert cli.run(LATER, ALL, before, "methods=[splitfed]").code == 0
    whole = summary(cli.folder / "runs/tiny-2")
    assert whole["status"] == "complete"
    for key in ("event_digest", "learning_digest", "virtual_time_s", "wire_bytes"):
        assert whole["methods"]["splitfed"][key] == method[key], key
    links = [(cli.folder / f"runs/{name}/links.csv") for name in ("tiny", "tiny-2")]
    assert links[0].read_bytes() == links[1].read_bytes()


def test_one_stuck_client_of_several_is_counted(cli: CommandLine) -> None:
    one = "changes=[{at: 0 s, clients: raspberry-pi-4b-1, up: 0 bit/s}]"
    cli.run(one, ALL)
    ended = summary(cli.folder / "runs/tiny")["methods"]["splitfed"]["ended"]
    assert ended == (
        "round 0 never ends: 1 of 3 clients can never finish, its link has zero capacity"
        " (raspberry-pi-4b-1.up)"
    )


def test_check_says_that_nothing_can_finish(cli: CommandLine) -> None:
    answer = cli("check", stuck(cli, "0 s"), "--set", ALL)
    assert answer.code in (0, None)
    assert f"splitfed: round 0 never ends: {WHO}\n" in answer.out
    (row,) = (line for line in answer.out.splitlines() if line.startswith("splitfed  "))
    assert re.split(r"\s{2,}", row)[1:3] == ["none arrives", "never ends"]
    assert "none sent" not in answer.out


def test_check_says_when_it_gets_stuck(cli: CommandLine) -> None:
    answer = cli("check", stuck(cli, "1 s"), "--set", ALL, "--set", "training.rounds=20")
    (row,) = (line for line in answer.out.splitlines() if line.startswith("splitfed  "))
    assert "never ends, stuck after" in row
    assert WHO in answer.out


def stuck(cli: CommandLine, at: str) -> str:
    """Return a scenario whose uplinks lose their capacity at a time."""
    text = (cli.folder / "tiny.yaml").read_text(encoding="utf-8")
    change = f"changes: [{{at: {at}, clients: raspberry-pi-4b, up: 0 bit/s}}]\n"
    (cli.folder / "stuck.yaml").write_text(text + change, encoding="utf-8")
    return "stuck.yaml"


def test_several_seeds_are_stalled_where_one_is(cli: CommandLine) -> None:
    assert cli.run(NOBODY, "seeds=[0, 1]").code == 3
    folder = cli.folder / "runs/tiny"
    assert '"status": "stalled"' in (folder / "seeds.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limit", "status"), [(None, "stalled"), ("stop.virtual_time=100 s", "complete")]
)
def test_a_fleet_that_never_comes_back_is_stalled_unless_a_limit_ends_the_run(
    cli: CommandLine, limit: str | None, status: str
) -> None:
    lines = "".join(f"raspberry-pi-4b-{i},0,0.1\n" for i in range(3))
    header = "client,online_from_s,online_until_s\n"
    (cli.folder / "online.csv").write_text(header + lines, encoding="utf-8")
    away = "availability=[{clients: raspberry-pi-4b, trace: online.csv, on_disconnect: drop}]"
    overrides = [away, *([limit] if limit else [])]
    (result,) = run(load_scenario("tiny.yaml", overrides), executor="none")
    assert result.status == status
    assert "none is online" in str(result.methods["splitfed"].ended)

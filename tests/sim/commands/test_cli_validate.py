"""`cutlayer validate`: what it prints and writes, and what it refuses."""

from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused, files, rows

from cutlayer.sim.papers.edpfl import MEASURED

HEADER = "method,seconds,round_type,what,mib\n"
CSV = HEADER + "splitfed,1.5,,,2\nfrozen,0.5,,,\nfrozen,0.1,replay,,\nsplitfed,0.2,,upload,\n"


@pytest.fixture
def measured(cli: CommandLine) -> Path:
    path = cli.folder / "measured.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


def test_a_comparison_is_printed_and_written(cli: CommandLine, measured: Path) -> None:
    answer = cli("validate", "measured.csv", "tiny.yaml", "--out", "out.csv")
    assert answer.code in (0, None), answer.err
    for words in (
        "measured.csv beside tiny",
        "splitfed, bytes of a round",
        "frozen, replay round",
        "splitfed, uplink of a round",
        "Absolute errors by part",
        "splitfed / frozen",
        "4 times that were not fitted are off by",
        "results: out.csv",
    ):
        assert words in answer.out
    written = rows(cli.folder / "out.csv")
    assert [row["row_type"] for row in written] == [
        *("time", "traffic", "time", "time", "time", "errors", "errors", "errors", "speedup"),
    ]
    first = written[0]
    assert (first["line"], first["method"], first["what"]) == ("2", "splitfed", "round")
    error = float(first["predicted"]) / float(first["measured"]) - 1
    assert float(first["error"]) == pytest.approx(error, abs=1e-4)
    assert written[-1]["method"] == "splitfed / frozen"
    assert float(written[-1]["measured"]) == 3
    assert files(cli.folder) == ["measured.csv", "out.csv", "tiny.yaml"]


def test_overrides_change_the_prediction(cli: CommandLine, measured: Path) -> None:
    slow = "topology.star.clients.0.link={up: 1 Mbit/s, down: 1 Mbit/s, delay: 0 s}"
    cli("validate", "measured.csv", "tiny.yaml", "--out", "one.csv")
    answer = cli("validate", "measured.csv", "tiny.yaml", "--set", slow, "--out", "two.csv")
    assert answer.code in (0, None), answer.err
    one, two = (float(rows(cli.folder / f"{n}.csv")[0]["predicted"]) for n in ("one", "two"))
    assert two > one


def test_draws_add_intervals(cli: CommandLine, measured: Path) -> None:
    hint = "Repeat the command with --draws 200 for intervals"
    assert hint in cli("validate", "measured.csv", "tiny.yaml").out
    answer = cli("validate", "measured.csv", "tiny.yaml", "--draws", 20, "--out", "out.csv")
    assert answer.code in (0, None), answer.err
    assert hint not in answer.out
    assert "90 % interval" in answer.out
    assert "draws: 20 of 20" in answer.out
    for row in rows(cli.folder / "out.csv"):
        if row["row_type"] in ("time", "speedup"):
            low, high = float(row["low"]), float(row["high"])
            assert low < float(row["predicted"]) < high
            assert row["inside"] == str(low <= float(row["measured"]) <= high)
        else:
            assert row["low"] == row["high"] == row["inside"] == ""


def test_several_seeds_are_predicted_by_the_first(cli: CommandLine, measured: Path) -> None:
    answer = cli("validate", "measured.csv", "tiny.yaml", "--set", "seeds=[3, 4]")
    assert "The predictions are those of seed 3, the first of 2." in answer.out


def test_bad_input_is_refused_and_nothing_written(cli: CommandLine, measured: Path) -> None:
    def ask(*more: str, scenario: str = "tiny.yaml", file: str = "measured.csv"):
        return cli("validate", file, scenario, "--out", "out.csv", *more)

    measured.write_text(CSV.replace("frozen,0.5", "frozn,0.5"), encoding="utf-8")
    assert_refused(ask(), "measured.csv:3: method: unknown method 'frozn'; did you mean 'frozen'?")
    measured.write_text(CSV, encoding="utf-8")
    assert_refused(ask(file="other.csv"), "other.csv does not exist")
    assert_refused(ask(file="."), "is a folder")
    assert_refused(ask(scenario="tinny"), "tinny")
    assert_refused(ask("--set", "training.round=2"), "training.round")
    assert files(cli.folder) == ["measured.csv", "tiny.yaml"]
    (cli.folder / "out.csv").write_text("mine", encoding="utf-8")
    assert_refused(ask(), "--out out.csv exists")
    assert (cli.folder / "out.csv").read_text(encoding="utf-8") == "mine"
    assert ask("--force").code in (0, None)
    assert rows(cli.folder / "out.csv")


def test_a_method_that_never_ends_is_refused(cli: CommandLine, measured: Path) -> None:
    never = "changes=[{at: 0 s, clients: raspberry-pi-4b, up: 0 bit/s}]"
    answer = cli("validate", "measured.csv", "tiny.yaml", "--set", never)
    said = "measured.csv:2: method: splitfed stalls: round 0 never ends: no client can finish"
    assert_refused(answer, said)


def test_the_shipped_testbed_agrees_with_its_scenario(cli: CommandLine) -> None:
    answer = cli("validate", MEASURED, "edpfl_pi4_wifi", "--out", "out.csv")
    assert answer.code in (0, None), answer.err
    times = [row for row in rows(cli.folder / "out.csv") if row["row_type"] == "time"]
    assert len(times) == 8
    assert all(abs(float(row["error"])) < 0.10 for row in times)
    assert "The methods are in the measured order" in answer.out

"""Results that are read back, compared and exported have the same figures in every format."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import CommandLine, assert_refused, files

from cutlayer import UserError
from cutlayer.sim.files.csv_text import write_rows
from cutlayer.sim.results.export import tables_of
from cutlayer.sim.results.files import OLD_COLUMNS
from cutlayer.sim.results.read import read_run, read_study
from cutlayer.sim.results.run_tables import frame
from cutlayer.sim.views.rounds import category_charts

STUDY = """\
name: small
scenario: tiny.yaml
axes: [{name: cut, field: model.cut, values: [1, 2]}]
best: {axis: cut}
"""


@pytest.fixture
def run(cli: CommandLine) -> CommandLine:
    cli.run("training.rounds=2", executor="inline")
    return cli


@pytest.fixture
def study(cli: CommandLine) -> CommandLine:
    (cli.folder / "small.yaml").write_text(STUDY, encoding="utf-8")
    answer = cli("sweep", "small.yaml", "--executor", "none", "--jobs", "1")
    assert answer.code in (0, None), answer
    assert "2 points, 4 runs of a method" in answer.out
    return cli


def test_pandas_sees_what_the_summary_says(run: CommandLine) -> None:
    saved = read_run("runs/tiny")
    rounds = saved.frame("rounds")
    by_label = rounds.groupby("label")["virtual_time_s"].max().to_dict()
    expected = {label: entry["virtual_time_s"] for label, entry in saved.methods.items()}
    assert by_label == expected
    assert rounds["wire_bytes_up"].dtype == "int64"
    evaluated = [row for row in saved.table("accuracy") if row["metric"] == "accuracy"]
    assert [row["value"] for row in evaluated] == [
        value for entry in saved.methods.values() for _, value in entry["curve"]
    ]


def test_a_study_s_tables_are_frames_too(study: CommandLine) -> None:
    saved = read_study("runs/small")
    points = saved.frame("points")
    assert list(points["cut"]) == ["1", "1", "2", "2"]
    assert set(saved.frame("best")["label"]) == {"splitfed", "frozen"}
    assert saved.table("crossovers") == []


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "tensorboard"])
def test_exports_hold_every_row(run: CommandLine, kind: str) -> None:
    answer = run("export", "runs/tiny", "--to", kind, "--out", "out")
    assert answer.code in (0, None), answer
    tables = tables_of(read_run("runs/tiny"))
    trained = {"accuracy", "classes", "clients"}
    assert set(tables) == {"rounds", "links", "devices", "utilisation", "events", *trained}
    out = Path("out")
    if kind == "csv":
        found = {name: pd.read_csv(out / f"{name}.csv") for name in tables}
    elif kind == "parquet":
        found = {name: pd.read_parquet(out / f"{name}.parquet") for name in tables}
    elif kind == "json":
        content = json.loads((out / "tiny.json").read_text(encoding="utf-8"))
        assert content["summary"] == dict(read_run("runs/tiny").summary)
        found = {name: pd.DataFrame(rows) for name, rows in content["tables"].items()}
    else:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(out / "splitfed"))
        events.Reload()
        scalars = [event.value for event in events.Scalars("accuracy")]
        expected = [row["accuracy"] for row in read_run("runs/tiny").rounds("splitfed")]
        assert scalars == pytest.approx(expected)
        return
    for name, rows in tables.items():
        assert len(found[name]) == len(rows)
        assert list(found[name].columns) == list(rows[0])
    total = sum(float(row["wire_bytes"] or 0) for row in tables["events"])
    assert found["events"]["wire_bytes"].sum() == total


def test_a_study_is_exported(study: CommandLine) -> None:
    assert study("export", "runs/small", "--to", "csv", "--out", "out").code in (0, None)
    assert files(Path("out")) == ["best.csv", "cutlayer.json", "pareto.csv", "points.csv"]


def test_two_runs_are_compared(run: CommandLine) -> None:
    run("run", "tiny.yaml", "--set", "training.rounds=2", "--set",
        "topology.star.clients.0.link=wifi-50", "--out", "fast")  # fmt: skip
    answer = run("compare", "runs/tiny", "fast")
    assert "topology.star.clients.0.link" in answer.out
    assert "wifi-50" in answer.out
    assert "splitfed: both train the same models" in answer.out
    run("run", "tiny.yaml", "--set", "training.rounds=2", "--set", "model.cut=2", "--out", "cut")
    assert "splitfed: they train different models" in run("compare", "fast", "cut").out
    assert "Scenario, seed and versions are the same." in run("compare", "fast", "fast").out


def test_folders_that_cannot_be_read_are_reported(study: CommandLine) -> None:
    assert_refused(study("compare", "runs/small", "runs/small"), "holds a study, not a run")
    assert_refused(study("report", "tiny.yaml"), "tiny.yaml is not a folder")
    points = Path("runs/small/points.csv")
    points.write_text(points.read_text(encoding="utf-8").replace("splitfed", "other"), "utf-8")
    for command in (("report",), ("export", "--to", "csv", "--out", "out")):
        answer = study(command[0], "runs/small", *command[1:])
        assert_refused(answer, "runs/small/points.csv has changed since it was written")
    Path("runs/small/checksums.sha256").unlink()
    assert_refused(study("report", "runs/small"), "checksums.sha256 is missing")
    Path("runs/small/summary.json").unlink()
    assert_refused(study("report", "runs/small"), "unfinished study", "run `cutlayer sweep` again")
    Path("runs/small/study.yaml").unlink()
    assert_refused(study("report", "runs/small"), "unfinished study", "run `cutlayer sweep` again")


def test_a_report_and_its_figures(study: CommandLine) -> None:
    study.run("training.rounds=2")
    answer = study(
        "report", "runs/tiny", "runs/small", "--figures", "figures", "--out", "page.html"
    )
    assert answer.code in (0, None), answer
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("<h1>") == 2
    written = files(Path("figures"))
    for name in ("1-links.svg", "1-links.pdf", "1-links.csv", "1-results.csv"):
        assert name in written
    assert "2-best.csv" in written
    again = study("report", "runs/tiny", "runs/small", "--out", "again.html")
    assert again.code in (0, None)
    assert Path("again.html").read_bytes() == Path("page.html").read_bytes()
    assert_refused(study("report", "runs/tiny", "--figures", "figures"), "figures exists")


def test_a_frame_without_pandas_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"need pandas: pip install 'cutlayer\[pandas\]'$"):
        frame([{"round": 1}])


def test_runs_without_traffic_by_category_are_read(run: CommandLine) -> None:
    """Folders of earlier versions lack the columns; the report then has no chart of them."""
    folder = Path("runs/tiny")
    present = read_run(folder)
    assert category_charts([present])
    rows = [
        {name: value for name, value in row.items() if not re.match("wire_bytes_(up|down)_", name)}
        for row in present.table("rounds")
    ]
    assert len(present.table("rounds")[0]) == len(rows[0]) + 14
    with (folder / "rounds.csv").open("w", encoding="utf-8", newline="") as file:
        write_rows(file, rows)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    for entry in summary["methods"].values():
        del entry["traffic"]
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (folder / "checksums.sha256").write_text("", encoding="utf-8")
    assert read_run(folder).table("rounds") == rows
    assert category_charts([read_run(folder)]) == ()
    for command in (("report", folder), ("explain", folder), ("compare", folder, folder)):
        assert run(*command).code in (0, None)


def test_a_damaged_count_of_a_category_is_refused(run: CommandLine) -> None:
    folder = Path("runs/tiny")
    text = (folder / "summary.json").read_text(encoding="utf-8")
    summary = json.loads(text)
    summary["methods"]["splitfed"]["traffic"]["up"]["labels"]["wire_bytes"] = -1
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (folder / "checksums.sha256").write_text("", encoding="utf-8")
    assert_refused(run("explain", folder), "methods.splitfed.traffic.up.labels.wire_bytes")


def test_runs_with_the_column_names_of_an_earlier_version_are_read(
    run: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old names are read as the present ones, with one line on stderr per folder."""
    folder = Path("runs/tiny")
    present = read_run(folder)
    rounds, events = present.table("rounds"), present.events
    table = (folder / "rounds.csv").read_text(encoding="utf-8")
    (folder / "rounds.csv").write_text(
        table.replace("round,round_type", "round,kind"), encoding="utf-8"
    )
    old = {new: name for name, new in OLD_COLUMNS["events"].items()}
    np.savez(
        folder / "events.npz", **{old.get(name, name): column for name, column in events.items()}
    )
    (folder / "checksums.sha256").write_text("", encoding="utf-8")
    capsys.readouterr()
    saved = read_run(folder)
    assert saved.table("rounds") == rounds
    assert {name: column.tolist() for name, column in saved.events.items()} == {
        name: column.tolist() for name, column in events.items()
    }
    (line,) = capsys.readouterr().err.splitlines()
    assert "rounds.csv: column names of an earlier version are deprecated" in line
    assert "kind is now round_type" in line

"""The views of methods without rounds: windows, lives of updates, versions, contributions."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from async_run import ASYNC, SIZES, async_run
from command_line import CommandLine, assert_refused
from rich.console import Console
from small_scenarios import read

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.log.intervals import PHASES, Activity, Phase
from cutlayer.sim.report.run_figures import results_table
from cutlayer.sim.report.run_page import run_source
from cutlayer.sim.results.critical_path import critical_chain
from cutlayer.sim.results.export import export
from cutlayer.sim.results.files import SavedError
from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.results.update_life import BUFFER, COMPUTE, DOWNLOAD, UPLOAD, Life, lives_of
from cutlayer.sim.run.explain import explain
from cutlayer.sim.run.run import run
from cutlayer.sim.views import timeline
from cutlayer.sim.views.charts import Chart, Table, visible_words
from cutlayer.sim.views.critical_path import print_methods
from cutlayer.sim.views.plots import figures
from cutlayer.sim.views.rounds import critical_path_chart
from cutlayer.sim.views.table import print_table
from cutlayer.sim.views.timeline import BUFFERED, UNFINISHED, timelines
from cutlayer.sim.views.updates import contribution_charts, equality, staleness_chart

METHODS = ("fedasync", "fedbuff")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedRun:
    return async_run(tmp_path_factory.mktemp("run") / "out")


def number(value: Any) -> float:
    assert isinstance(value, int | float)
    return float(value)


def intervals_of(run: SavedRun, label: str, life: Life) -> dict[Phase, float]:
    """The seconds of a client's intervals in an update's life, with the delays of its transfers."""
    names = run.events["actor_names"]
    client = int(np.flatnonzero(names == life.row["client"])[0])
    spent = dict.fromkeys(Phase, 0.0)
    for index in run.kept_rounds(label):
        log = run.intervals(label, index)
        for row in range(len(log["start"])):
            began = float(log["start"][row])
            started = life.start_s - 1e-9 <= began < number(life.row["uploaded_s"]) - 1e-9
            if started and client in (log["actor"][row], log["peer"][row]):
                seconds = log["end"][row] - log["start"][row] + log["delay"][row]
                spent[Phase(int(log["phase"][row]))] += float(seconds)
    return spent


@pytest.mark.parametrize("label", METHODS)
def test_the_phases_of_an_update_are_those_of_its_intervals(saved: SavedRun, label: str) -> None:
    found = lives_of(saved, label)
    assert len(found) == saved.methods[label]["updates"]["count"] > 0
    for life in found:
        assert life.seconds == pytest.approx(number(life.row["folded_s"]) - life.start_s)
        phases, spent = dict(life.phases), intervals_of(saved, label, life)
        assert phases[DOWNLOAD] == pytest.approx(spent[Phase.DOWNLINK], rel=1e-6)
        assert phases[COMPUTE] == pytest.approx(spent[Phase.DEVICE_COMPUTE], rel=1e-6)
        assert phases[UPLOAD] == pytest.approx(spent[Phase.UPLINK], rel=1e-6)
    waited = [dict(life.phases).get(BUFFER) for life in found]
    assert any(waited) == (label == "fedbuff")


def test_a_client_is_idle_between_its_updates(saved: SavedRun) -> None:
    """FedAsync: a client is free again when its update is folded, and busy from its dispatch on."""
    by_client: dict[object, list[Life]] = {}
    for life in sorted(lives_of(saved, "fedasync"), key=lambda life: life.start_s):
        by_client.setdefault(life.row["client"], []).append(life)
    for own in by_client.values():
        assert own[0].idle_s == own[0].start_s
        for before, life in pairwise(own):
            assert life.idle_s == pytest.approx(life.start_s - before.end_s)


@pytest.mark.parametrize("label", METHODS)
def test_the_path_of_a_window_ends_with_its_fold(saved: SavedRun, label: str) -> None:
    for row in saved.rounds(label):
        chain = critical_chain(saved, label, int(number(row["round"])))
        assert chain[0].start_s == 0.0
        assert chain[-1].end_s == row["round_time_s"]
        assert (chain[-1].what, chain[-1].who) == ("aggregate", row["straggler"])
        for phase in PHASES:
            seconds = sum(link.seconds for link in chain if link.phase == phase)
            assert seconds == pytest.approx(number(row[f"critical_{phase}_s"]), abs=1e-9)


@pytest.mark.parametrize("label", METHODS)
def test_a_timeline_has_the_window_s_folds_and_no_bar_beyond_it(
    saved: SavedRun, label: str
) -> None:
    charts = {chart.choice: chart for chart in timelines(saved, rounds=9)}
    for row in saved.rounds(label):
        (name,) = (c for c in charts if c.startswith(f"{label}, window {row['round']},"))
        chart = charts[name]
        assert chart.title == "Timeline of a window"
        end, length = number(row["virtual_time_s"]), number(row["round_time_s"])
        scale = 1000 if "(ms)" in chart.x_title else 1
        versions = {
            f"v{int(number(life.row['version']))}": (life.end_s - end + length) * scale
            for life in lives_of(saved, label)
            if end - length < life.end_s <= end
        }
        assert {word: x for x, word in chart.lines_at} == pytest.approx(versions)
        for series in chart.series:
            for start, size in zip(series.base or (), series.x, strict=True):
                assert start >= 0
                assert size >= 0
                assert start + size <= length * scale * (1 + 1e-9)


def test_a_timeline_shows_what_waits_and_what_goes_on(saved: SavedRun) -> None:
    (chart,) = (c for c in timelines(saved) if c.choice.startswith("fedbuff, window 0"))
    bars = {series.name: series for series in chart.series}
    folded = [life for life in lives_of(saved, "fedbuff") if life.row["window"] == 0]
    waits = sum(dict(life.phases).get(BUFFER, 0.0) for life in folded)
    whole = sum(bars[BUFFERED].x) / (1000 if "(ms)" in chart.x_title else 1)
    later = [life for life in lives_of(saved, "fedbuff") if life.row["window"] == 1]
    end = number(saved.rounds("fedbuff")[0]["virtual_time_s"])
    early = sum(max(0.0, end - number(life.row["uploaded_s"])) for life in later)
    assert whole == pytest.approx(waits + early, abs=1e-3)
    going = [life for life in later if life.start_s < end < number(life.row["uploaded_s"])]
    assert len(bars[UNFINISHED].x) == len(going) > 0


def test_words_of_folds_that_are_close_are_left_out() -> None:
    at = ((0.0, "v1"), (0.001, "v2"), (1.0, "v3"))
    assert visible_words(Chart("t", "T", "gantt", [], lines_at=at, x_end=1.0)) == ["v1", "v3"]
    assert visible_words(Chart("t", "T", "lines", [], lines_at=at)) == []


def test_the_trace_has_versions_and_updates_with_their_phases(saved: SavedRun) -> None:
    text = (saved.path / "trace.json").read_text(encoding="utf-8")
    events = json.loads(text)["traceEvents"]
    processes = {e["args"]["name"]: e["pid"] for e in events if e["name"] == "process_name"}
    for label in METHODS:
        own = [event for event in events if event["pid"] == processes[label]]
        tracks = [e["args"]["name"] for e in own if e["name"] == "thread_name"]
        assert tracks[:2] == ["windows", "server versions"]
        made = {e["args"]["version"]: e["ts"] for e in own if e["ph"] == "i"}
        found = {life.row["update"]: life for life in lives_of(saved, label)}
        assert made == {
            life.row["version"]: pytest.approx(1e6 * life.end_s, abs=1e-2)
            for life in found.values()
        }
        updates = [event for event in own if event.get("cat") == "update"]
        assert len(updates) == len(found)
        for event in updates:
            life = found[int(event["name"].removeprefix("update "))]
            for name in ("client", "read_version", "version", "staleness", "weight"):
                assert event["args"][name] == life.row[name]
            assert event["dur"] == pytest.approx(1e6 * life.seconds, abs=1e-2)
        for tid in {event["tid"] for event in updates}:
            spans = sorted((e["ts"], e["ts"] + e["dur"]) for e in updates if e["tid"] == tid)
            assert all(end <= start + 1e-3 for (_, end), (start, _) in pairwise(spans))
        phases = Counter(e["args"]["update"] for e in own if e.get("cat") == "update phase")
        assert phases == {update: len(life.phases) for update, life in found.items()}


def test_ratios_with_windows_are_per_update(saved: SavedRun) -> None:
    """Two updates a fold and two folds a window are more than the three clients of a round."""
    ways = {label: saved.rounds(label) for label in saved.methods}
    each = {
        label: number(rows[-1]["virtual_time_s"]) / sum(number(row["clients"]) for row in rows)
        for label, rows in ways.items()
    }
    for label, entry in saved.methods.items():
        for other, ratios in entry["against"].items():
            assert ratios["time_x"] == pytest.approx(each[other] / each[label])
    totals = {
        row: sum(x for series in critical_path_chart([saved]).series for x, y in
                 zip(series.x, series.y, strict=True) if y == row)
        for row in each
    }  # fmt: skip
    scale = totals["classic_fl"] / each["classic_fl"]
    assert totals == pytest.approx({label: scale * time for label, time in each.items()})


def test_the_terminal_says_window_and_no_barrier(saved: SavedRun) -> None:
    console = Console(width=300, record=True)
    print_methods(saved, ["fedbuff"], console)
    text = console.export_text()
    assert "window time" in text
    assert "fedbuff has windows instead of rounds" in text
    assert "barrier" not in text.lower()


def test_the_results_have_columns_for_updates_only_where_there_are_any() -> None:
    for methods, heading in (("[classic_fl]", False), ("[classic_fl, fedasync]", True)):
        (result,) = run(read(ASYNC, f"methods={methods}"), executor="none")
        console = Console(width=400, record=True)
        print_table(result, console)
        text = console.export_text()
        for words in ("staleness", "versions", "per hour", "A window counts as a round."):
            assert (words in text) == heading


def test_devices_say_how_much_data_and_how_many_updates(saved: SavedRun) -> None:
    for label in METHODS:
        rows = [row for row in saved.table("devices") if row["label"] == label]
        assert {row["client"]: row["samples"] for row in rows} == dict(
            zip(("phone-0", "phone-1", "phone-2", "pi-0", "pi-1"), SIZES, strict=True)
        )
        counts = Counter(row["client"] for row in saved.updates(label) if not row["dropped"])
        assert {row["client"]: row["updates"] for row in rows if row["updates"]} == counts
    assert all(
        row["updates"] is None for row in saved.table("devices") if row["label"] == "classic_fl"
    )


def test_charts_of_updates_count_them_all(saved: SavedRun) -> None:
    for series in staleness_chart([saved]).series:
        label = series.name.partition(":")[0]
        stale = [number(row["staleness"]) for row in saved.updates(label)]
        for value, share in zip(series.x, series.y, strict=True):
            assert share == pytest.approx(100 * np.mean([s <= value for s in stale]))
        assert series.y[-1] == 100
    by_device, by_client = contribution_charts([saved])
    data, *methods = by_device.series
    assert dict(zip(data.y, data.x, strict=True)) == pytest.approx(
        {"fast": 100 * sum(SIZES[:3]) / sum(SIZES), "slow": 100 * sum(SIZES[3:]) / sum(SIZES)}
    )
    assert [series.name for series in methods] == list(METHODS)
    for series in (*methods, *by_client.series[:-1]):
        values = series.x if series in methods else series.y
        assert sum(values) == pytest.approx(100)


def test_equality_in_words(saved: SavedRun) -> None:
    """Jain's index is the mean's square over the mean square."""
    counts = Counter(row["client"] for row in saved.updates("fedasync"))
    values = [counts.get(name, 0) for name in ("phone-0", "phone-1", "phone-2", "pi-0", "pi-1")]
    index = np.mean(values) ** 2 / np.mean(np.square(values))
    assert f"Jain's index {index:.2f}" in equality([saved], "fedasync")
    assert f"as if {5 * index:.2g}" in equality([saved], "fedasync")


def test_pictures_and_pages_of_updates_only_where_there_are_any(
    saved: SavedRun, tmp_path: Path
) -> None:
    assert "updates" in figures([saved])
    assert "Updates" in [tab.name for tab in run_source([saved]).tabs]
    (results, *_) = run_source([saved]).tabs[0].parts
    assert isinstance(results, Table)
    assert "Versions per hour" in results.columns
    assert "A round of fedasync or fedbuff is a window" in results.note
    synchronous = async_run(tmp_path / "sync", "methods=[classic_fl]")
    assert synchronous.updates("classic_fl") == []
    assert "updates" not in figures([synchronous])
    assert "Updates" not in [tab.name for tab in run_source([synchronous]).tabs]


@pytest.mark.parametrize("label", METHODS)
def test_the_transfers_of_a_window_are_those_that_ended_in_it(saved: SavedRun, label: str) -> None:
    plan = plan_checked(read(ASYNC), trains=False)[0]
    index = 2
    found = explain(plan, label, index, "phone-1")
    assert found.rnd.noun == "window"
    log = saved.intervals(label, index)
    row = saved.rounds(label)[index]
    began = number(row["virtual_time_s"]) - number(row["round_time_s"])
    client = int(np.flatnonzero(saved.events["actor_names"] == "phone-1")[0])
    moves = np.isin(log["phase"], (Phase.UPLINK, Phase.DOWNLINK)) & (
        log["activity"] != Activity.CONNECT
    )
    own = moves & ((log["actor"] == client) | (log["peer"] == client))
    assert [t.end_s for t in found.transfers] == pytest.approx(list(log["end"][own] - began))
    for transfer in found.transfers:
        assert transfer.pieces[0].start_s == pytest.approx(transfer.start_s)
        carried = sum(piece.seconds * piece.rate for piece in transfer.pieces)
        assert carried == pytest.approx(transfer.carried_bytes, rel=1e-6)


def test_the_command_prints_an_update_and_a_fold(saved: SavedRun, cli: CommandLine) -> None:
    life = next(life for life in lives_of(saved, "fedbuff") if dict(life.phases).get(BUFFER))
    update = life.row["update"]
    out = cli("explain", saved.path, "--method", "fedbuff", "--update", update).out
    assert f"fedbuff, update {update} of {life.row['client']}" in out
    assert f"folded into version {life.row['version']}" in out
    assert BUFFER in out
    assert f"Version {life.row['version']} of fedbuff is a fold of 2 updates." in out
    window = life.row["window"]
    out = cli("explain", saved.path, "--method", "fedbuff", "--round", window).out
    assert f"fedbuff, window {window}: the critical path" in out
    closing = saved.rounds("fedbuff")[int(number(window))]["version"]
    assert f"Version {closing} of fedbuff is a fold of 2 updates. It waited for update" in out


def test_updates_that_there_are_not_are_refused(saved: SavedRun, cli: CommandLine) -> None:
    path = saved.path
    last = max(int(number(row["update"])) for row in saved.updates("fedasync"))
    says = "folded no such update; the last one is"
    answer = cli("explain", path, "--method", "fedasync", "--update", 999)
    assert_refused(answer, "--update 999: fedasync", f"{says} {last}")
    answer = cli("explain", path, "--method", "classic_fl", "--update", 0)
    assert_refused(answer, "--update: classic_fl has rounds, not updates")
    answer = cli("explain", path, "--update", 0)
    assert_refused(answer, "--update: 2 methods have updates", "--method: fedasync, fedbuff")
    answer = cli("explain", path, "--update", 0, "--round", 0)
    assert_refused(answer, "--update: give either --update or --round")
    answer = cli("explain", "tiny.yaml", "--update", 0)
    assert_refused(answer, "--update: tiny.yaml is a scenario")


def test_a_comparison_has_the_figures_of_updates(saved: SavedRun, cli: CommandLine) -> None:
    lines = cli("compare", saved.path, saved.path).out.splitlines()
    stale = [line for line in lines if "mean staleness" in line]
    assert sorted(line.split()[0] for line in stale) == list(METHODS)
    for line in stale:
        mean = saved.methods[line.split()[0]]["updates"]["staleness"]["mean"]
        assert line.split()[-3:] == [f"{mean:.4g}"] * 2 + ["1"]
    assert sum("window time" in line for line in lines) == len(METHODS)


def test_updates_are_exported_and_a_damaged_table_is_refused(tmp_path: Path) -> None:
    saved_run = async_run(tmp_path / "run", "methods=[fedasync]")
    (file,) = (
        path for path in export([saved_run], "csv", tmp_path / "out") if path.stem == "updates"
    )
    assert file.read_text(encoding="utf-8") == (saved_run.path / "updates.csv").read_text(
        encoding="utf-8"
    )
    assert [row["update"] for row in saved_run.table("updates")] == [
        row["update"] for row in saved_run.updates("fedasync")
    ]
    (saved_run.path / "updates.csv").unlink()
    with pytest.raises(SavedError, match=r"updates\.csv"):
        read_run(saved_run.path).updates("fedasync")


def test_many_folds_are_marked_only_where_they_are_apart() -> None:
    lives = [Life({"version": n + 1, "dispatched_s": n * 1e-3}, 0.0, ()) for n in range(1000)]
    marks = timeline._folds(lives, 0.0, 1.0, 1.0)
    assert len(marks) <= timeline.MOST_FOLDS
    assert all(b - a >= 1 / timeline.MOST_FOLDS - 1e-12 for (a, _), (b, _) in pairwise(marks))
    assert len(timeline._folds(lives[:50], 0.0, 1.0, 1.0)) == 50


def test_the_table_of_results_has_a_cell_for_every_heading(saved: SavedRun) -> None:
    table = results_table([saved])
    assert {len(row) for row in table.rows} == {len(table.columns)}
    stale = table.columns.index("Mean staleness")
    for row in table.rows:
        updates = saved.methods[row[0]].get("updates")
        assert (row[stale] == "-") == (updates is None)

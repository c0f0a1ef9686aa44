"""`cutlayer run --draws`: files, table, workers, Ctrl-C, and what draws take from the run."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN_FOLDER, TINY, CommandLine, assert_refused, files, rows, summary
from small_scenarios import scenario

from cutlayer import add_draws, read_run, run
from cutlayer.errors import UserError
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.process.jobs import Job
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.play import play
from cutlayer.sim.run.progress import MethodRun
from cutlayer.sim.studies.content_address import cell_address
from cutlayer.sim.uncertainty.draw import drawn_topology
from cutlayer.sim.uncertainty.factors import Factors
from cutlayer.sim.uncertainty.run import DrawsJob
from cutlayer.sim.views.intervals import HOW_TO_GET
from cutlayer.topologies import catalogue
from cutlayer.topologies.catalogue.profile_file import profile_text
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.figures import figures_of

DRAWS = ["draws.csv", "factors.csv"]


def run_tiny(cli: CommandLine, *options: object) -> object:
    return cli("run", "tiny.yaml", "--executor", "none", *options)


def draws(folder: Path, label: str) -> list[tuple[str, str]]:
    return [
        (row["round_time_s"], row["virtual_time_s"])
        for row in rows(folder / "draws.csv")
        if row["label"] == label
    ]


def test_a_run_with_draws_has_their_files_and_table(cli: CommandLine) -> None:
    answer = run_tiny(cli, "--draws", 30, "--out", "out")
    assert answer.code == 0, answer.err
    out = cli.folder / "out"
    assert files(out) == sorted([*RUN_FOLDER, *DRAWS])
    known = summary(out)["uncertainty"]
    assert known["draws"] == 30
    assert known["interval"] == 0.9
    assert known["notes"] == []
    assert list(known["methods"]) == ["splitfed", "frozen"]
    low, median, high = known["methods"]["splitfed"]["round_time_s"]
    assert low < median < high
    stated = summary(out)["methods"]["splitfed"]["round_time_s"]["mean"]
    assert low < stated < high
    assert "target_s" not in known["methods"]["splitfed"]  # nothing was trained
    assert [row["draw"] for row in rows(out / "factors.csv")] == [str(n) for n in range(30)]
    assert "Intervals: 90% of 30 draws of the figures that are not known exactly" in answer.out
    assert "speedup over " in answer.out
    assert HOW_TO_GET not in answer.out
    saved = read_run(out)
    assert len(saved.table("draws")) == 60
    assert saved.table("factors")[0]["raspberry-pi-4b: form"] > 0


def test_without_draws_one_line_says_how_to_get_them(cli: CommandLine) -> None:
    answer = run_tiny(cli, "--out", "out")
    assert answer.out.count(HOW_TO_GET) == 1
    assert files(cli.folder / "out") == RUN_FOLDER
    assert "uncertainty" not in summary(cli.folder / "out")


def test_exact_figures_have_intervals_of_no_width_and_need_no_advice(cli: CommandLine) -> None:
    board = catalogue.device("raspberry-pi-4b")
    names = list(figures_of(board))
    known = Covariance.of(names, np.zeros((len(names), len(names))))
    status = {**board.status, "form_error": "measured"}
    text = profile_text(replace(board, status=status, covariance=known, form_error=0.0))
    (cli.folder / "exact.yaml").write_text(text, encoding="utf-8")
    text = TINY.replace("server-8-core", "exact").replace("raspberry-pi-4b", "exact")
    text = text.replace("link: 4g", "link: {rate: 10 Mbit/s, delay: 10 ms, duplex: full}")
    (cli.folder / "tiny.yaml").write_text(
        text + "devices: {exact: {profile: exact.yaml}}\n", encoding="utf-8"
    )
    answer = run_tiny(cli, "--out", "plain")
    assert answer.code == 0, answer.err
    assert HOW_TO_GET not in answer.out
    assert run_tiny(cli, "--draws", 3, "--out", "out").code == 0
    for figures in summary(cli.folder / "out")["uncertainty"]["methods"].values():
        low, median, high = figures["round_time_s"]
        assert low == median == high


def test_files_do_not_depend_on_the_workers(cli: CommandLine) -> None:
    texts = []
    for jobs in (1, 2):
        out = cli.folder / f"jobs-{jobs}"
        assert run_tiny(cli, "--draws", 5, "--jobs", jobs, "--out", out).code == 0
        texts.append([(out / name).read_bytes() for name in (*DRAWS, "summary.json")])
    assert texts[0] == texts[1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_long_draws_on_a_single_usable_core_are_made_in_this_process(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_processes(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr("cutlayer.sim.uncertainty.run.ALONE_S", -1.0)
    monkeypatch.setattr("cutlayer.sim.uncertainty.run.Processes", no_processes)
    assert run_tiny(cli, "--draws", 5).code == 0


def test_another_method_changes_no_draw(cli: CommandLine) -> None:
    for name, methods in {"few": "[splitfed]", "more": "[classic_fl, fedgkt, splitfed]"}.items():
        sets = ("--set", f"methods={methods}")
        assert run_tiny(cli, "--draws", 4, "--out", name, *sets).code == 0
    assert draws(cli.folder / "few", "splitfed") == draws(cli.folder / "more", "splitfed")
    few, more = (rows(cli.folder / name / "factors.csv") for name in ("few", "more"))
    assert all(few[n][name] == more[n][name] for n in range(4) for name in few[n])


def test_the_seed_of_the_draws_is_that_of_the_run_or_their_own(cli: CommandLine) -> None:
    runs = {"a": "seed=0", "b": "seed=1", "c": "uncertainty.seed=1"}
    for name, override in runs.items():
        assert run_tiny(cli, "--draws", 2, "--set", override, "--out", name).code == 0
    a, b, c = (rows(cli.folder / name / "factors.csv") for name in runs)
    assert a != b
    assert b == c


def test_the_time_to_a_target_is_that_of_the_same_round(tmp_path: Path) -> None:
    loaded = scenario(tmp_path, TINY, "uncertainty.draws=3")
    results = run(loaded, executor="inline")
    add_draws(loaded, results)
    (result,) = results
    assert result.uncertainty["target"] == 0.01
    plan = make_plan(loaded.scenario, 0)
    entries = {entry.label: entry for entry in plan.scenario.methods}
    for row in result.draws:
        method = result.methods[row["label"]]
        index = next(r.index for r in method.rounds if r.accuracy >= 0.01)
        drawn = drawn_topology(plan.topology, Factors.of(plan).draw(0, row["draw"]))
        timed = play(replace(plan, topology=drawn), entries[row["label"]])
        assert row["target_s"] == timed.rounds[index].virtual_time_s
        assert row["virtual_time_s"] == timed.virtual_time_s
    assert result.uncertainty["notes"] == []


def test_a_note_says_where_learning_depends_on_time(tmp_path: Path) -> None:
    """A client comes back just after the first round of the run, and so before that of slower draws."""
    whole = ("methods=[splitfed]", "training.clients_per_round=3", "uncertainty.draws=8")

    def away(until_s: float) -> Loaded:
        windows = f"[{{from: 0 s, until: {until_s:.6f} s}}]"
        absence = f"{{clients: raspberry-pi-4b-0, offline: {windows}, on_disconnect: drop}}"
        return scenario(tmp_path, TINY, *whole, f"availability=[{absence}]")

    (timed,) = run(away(100.0), executor="none")
    loaded = away(1.001 * timed.methods["splitfed"].rounds[0].virtual_time_s)
    results = run(loaded, executor="inline")
    add_draws(loaded, results)
    (note,) = results[0].uncertainty["notes"]
    assert note.startswith("Who takes part in splitfed depends on the times of a draw")


def test_several_seeds_have_draws_of_the_first(cli: CommandLine) -> None:
    answer = run_tiny(cli, "--draws", 3, "--set", "seeds=[4, 5]", "--out", "out")
    assert answer.code == 0
    assert "The draws are of seed 4 only." in answer.out
    assert (cli.folder / "out" / "seed-4" / "draws.csv").is_file()
    assert not (cli.folder / "out" / "seed-5" / "draws.csv").exists()


def test_a_method_that_cannot_end_in_a_draw_has_no_interval(cli: CommandLine) -> None:
    """The uplinks lose their rate at a time by which some draws, and the run, have finished."""
    plain = run_tiny(cli, "--draws", 12, "--set", "methods=[splitfed]", "--out", "plain")
    assert plain.code == 0
    stated = summary(cli.folder / "plain")["methods"]["splitfed"]["virtual_time_s"]
    change = f"changes=[{{clients: raspberry-pi-4b, at: {1.001 * stated:.4f} s, up: 0 bit/s}}]"
    sets = ("--set", "methods=[splitfed]", "--set", change)
    answer = run_tiny(cli, "--draws", 12, *sets, "--out", "out")
    assert answer.code == 0, answer.err
    slow = [float(time) > 1.001 * stated for _, time in draws(cli.folder / "plain", "splitfed")]
    assert any(slow)
    assert not all(slow)
    assert [time == "" for time, _ in draws(cli.folder / "out", "splitfed")] == slow
    assert summary(cli.folder / "out")["uncertainty"]["methods"]["splitfed"] == {}
    assert "In some draws splitfed cannot end, and has no interval." in answer.out


@pytest.mark.parametrize(("finished", "code"), [(3, 130), (1, 130), (0, 130)])
def test_ctrl_c_keeps_the_draws_that_are_finished(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, finished: int, code: int
) -> None:
    perform = DrawsJob.perform

    def interrupted(self: DrawsJob, note: object) -> object:
        if self.first == finished:
            raise KeyboardInterrupt
        return perform(self, note)

    monkeypatch.setattr(DrawsJob, "perform", interrupted)
    answer = run_tiny(cli, "--draws", 10, "--jobs", 1, "--out", "out")
    assert answer.code == code
    out = cli.folder / "out"
    assert summary(out)["status"] == "complete"
    assert read_run(out).table("rounds")
    if finished < 2:
        assert files(out) == sorted([*RUN_FOLDER, "resume.json"])  # it can be continued
        assert "The draws were interrupted: there are no intervals." in answer.out
        return
    assert summary(out)["uncertainty"]["draws"] == finished
    assert "Ctrl-C ended the draws: 3 of 10 were finished." in answer.out
    assert len(read_run(out).table("factors")) == finished


def test_no_draws_follow_a_run_that_was_stopped(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even those of a seed before, which is complete."""

    def interrupted(self: RunProgress, method: MethodRun, result: MethodResult) -> None:
        if result.seed == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunProgress, "method_finished", interrupted)
    answer = run_tiny(cli, "--draws", 3, "--set", "seeds=[4, 5]", "--out", "out")
    assert answer.code == 130
    assert "raws" not in answer.out
    assert summary(cli.folder / "out" / "seed-4")["status"] == "complete"
    assert not list((cli.folder / "out").rglob("draws.csv"))


def test_a_draw_that_fails_is_named_and_the_run_is_kept(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow draws may need more events than the scenario allows."""

    def failing(*_: object) -> object:
        raise UserError("splitfed, round 1: too many events")

    monkeypatch.setattr(DrawsJob, "_time", failing)
    answer = run_tiny(cli, "--draws", 100, "--jobs", 1, "--out", "out")
    assert answer.code == 2
    assert answer.err == "draw 0: splitfed, round 1: too many events\n"
    assert summary(cli.folder / "out")["status"] == "complete"


def test_the_time_of_a_cell_does_not_depend_on_draws(tmp_path: Path) -> None:
    plain, drawn = (
        scenario(tmp_path, TINY, *overrides).resolved()
        for overrides in ([], ["uncertainty.draws=3"])
    )
    assert cell_address(plain) == cell_address(drawn)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{draws: 1}", ("uncertainty.draws", "2")),
        ("{draws: 10001}", ("uncertainty.draws", "10000")),
        ("{draws: many}", ("uncertainty.draws", "many")),
        ("{}", ("uncertainty.draws", "required")),
        ("{draws: 20, interval: 1}", ("uncertainty.interval", "1")),
        ("{draws: 20, interval: 0}", ("uncertainty.interval", "0")),
        ("{draws: 20, seed: -1}", ("uncertainty.seed", "-1")),
        ("{draws: 20, draw: 3}", ("uncertainty.draw", "draws")),
    ],
)
def test_bad_sections_are_refused(cli: CommandLine, value: str, words: tuple[str, ...]) -> None:
    assert_refused(run_tiny(cli, "--set", f"uncertainty={value}"), *words)
    assert files(cli.folder) == ["tiny.yaml"]


@pytest.mark.parametrize("options", [("--draws", 1), ("--draws", 10_001), ("--jobs", 0)])
def test_bad_options_are_refused(cli: CommandLine, options: tuple[object, ...]) -> None:
    answer = run_tiny(cli, *options)
    assert answer.code == 2
    assert str(options[0]) in answer.err
    assert files(cli.folder) == ["tiny.yaml"]


def test_a_draws_job_is_a_job() -> None:
    job: Job = DrawsJob("{}", 0, {}, None, 4, 8)
    assert job.name == "draws 4 to 7"

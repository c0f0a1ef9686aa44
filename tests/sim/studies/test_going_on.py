"""A sweep continues an earlier one without running anything twice, however that one ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from small_studies import UP, small_study, study_file

from cutlayer.sim.data.info import DataError
from cutlayer.sim.process.jobs import (
    Failure,
    Here,
    JobError,
    Processes,
    UserJobError,
    Workers,
    job_error,
)
from cutlayer.sim.process.tasks import sent_error
from cutlayer.sim.studies.sweep import load_study, sweep

MANY = [{"name": "up", "field": UP, "range": {"from": "1 Mbit/s", "to": "30 Mbit/s", "count": 6}}]
DIES = """\
import os
import signal
from pathlib import Path
from cutlayer.sim.methods.splitfed import SplitFed

class Dies(SplitFed):
    def run_round(self, rnd):
        for death in range(int(Path("deaths").read_text())):
            try:
                Path("marks", str(death)).touch(exist_ok=False)
            except FileExistsError:  # another job died so
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run_round(rnd)
"""


ENDED = """\
import os, signal, sys
from pathlib import Path

cells = 0

def end(event, arguments):
    global cells
    if event in ("os.rename", "os.link") and Path(os.fspath(arguments[1])).parent.name == "cells":
        cells += 1
        if cells == {cell}:
            {end}

sys.addaudithook(end)
from cutlayer.sim.cli import main
main()
"""


def cutlayer_ending(cell: int, end: str) -> list[str]:
    """`cutlayer` in a process that ends itself just before this cell appears.

    An audit hook sees every renaming, so that no other process has to be in time.
    """
    return [sys.executable, "-c", ENDED.format(cell=cell, end=end)]


KILLED_AT_THE_SEVENTH = cutlayer_ending(7, "os.kill(os.getpid(), signal.SIGKILL)")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a study's folder except the timings."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "timings.json"
    }


def whole_files(folder: Path) -> dict[str, bytes]:
    """The same without unfinished files of a killed sweep and without the command's report page."""
    return {
        name: text
        for name, text in contents(folder).items()
        if not name.endswith(".part") and name != "report.html"
    }


def test_a_finished_sweep_is_not_run_again(tmp_path: Path) -> None:
    study, out = small_study(tmp_path), tmp_path / "out"
    first = sweep(study, out=out)
    before = contents(out)
    again = sweep(study, out=out)
    assert first.new == {"clock runs": 4, "trainings": 2}
    assert again.new == {"clock runs": 0, "trainings": 0}
    assert contents(out) == before


def test_a_changed_study_runs_only_what_is_new(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep(small_study(tmp_path), out=out)
    axes = [{"name": "up", "field": UP, "values": ["1 Mbit/s", "3 Mbit/s"]}]
    again = sweep(small_study(tmp_path, axes=axes, description="another"), out=out)
    assert again.new == {"clock runs": 2, "trainings": 0}


def test_curves_are_shared_by_studies_through_a_cache(tmp_path: Path) -> None:
    study, cache = small_study(tmp_path), tmp_path / "cache"
    sweep(study, out=tmp_path / "one", cache=cache)
    again = sweep(study, out=tmp_path / "two", cache=cache)
    assert again.new == {"clock runs": 4, "trainings": 0}


def test_processes_give_the_same_files(tmp_path: Path) -> None:
    study = small_study(tmp_path, crossovers={"axis": "up"}, sensitivity={"by": "time"})
    sweep(study, out=tmp_path / "here")
    sweep(study, out=tmp_path / "there", executor="processes", workers=Processes(2))
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_a_killed_sweep_continues_to_the_same_files(cli: CommandLine, tmp_path: Path) -> None:
    """On a cluster, test_cluster.py does the same with training."""
    file = study_file(tmp_path, axes=MANY)
    sweep(load_study(file), executor="none", out=tmp_path / "whole")
    command = ["sweep", str(file), "--executor", "none", "--out", "killed", "--jobs", "2"]
    killed = subprocess.run(
        [*KILLED_AT_THE_SEVENTH, *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list((tmp_path / "killed" / "cells").glob("*.gz"))) == 6
    assert not (tmp_path / "killed" / "summary.json").exists()
    again = cli(*command)
    assert again.code == 0, again.err
    assert "new in this sweep: 6 clock runs" in again.out
    assert whole_files(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize("whom", ["main", "all"])
def test_sigterm_ends_all_workers_and_the_sweep_can_continue(tmp_path: Path, whom: str) -> None:
    """The signal goes to the main process, as from `kill`, or to all, as from a batch system."""
    file = study_file(tmp_path, axes=MANY)
    to = {"main": "os.kill(os.getpid()", "all": "os.killpg(os.getpgrp()"}[whom]
    command = [*cutlayer_ending(5, f"{to}, signal.SIGTERM)"), "sweep", str(file)]
    command += ["--executor", "none", "--out", "out", "--jobs", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    out, err = process.communicate()
    assert process.returncode == 143, err.decode()
    assert b"interrupted; `cutlayer resume out` continues from what was finished" in out
    assert err == b""
    limit = time.monotonic() + 600
    while _group_is_alive(process.pid):
        assert time.monotonic() < limit, "a worker has outlived the sweep"
        time.sleep(0.01)
    assert not (tmp_path / "out/summary.json").exists()
    kept = len(list((tmp_path / "out/cells").glob("*.gz")))
    assert 4 <= kept < 12  # what its workers had finished is kept, too
    swept = sweep(file, executor="none", out=tmp_path / "out")
    assert swept.new["clock runs"] == 12 - kept
    assert len(swept.cells) == 12


def _group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def dying_study(
    folder: Path, deaths: int, monkeypatch: pytest.MonkeyPatch, **sections: Any
) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    (folder / "dying.py").write_text(DIES, encoding="utf-8")
    (folder / "marks").mkdir()
    (folder / "deaths").write_text(str(deaths), encoding="utf-8")
    return study_file(folder, set={"methods": ["dying:Dies"]}, **sections)


def test_a_worker_that_dies_costs_a_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = dying_study(tmp_path, 2, monkeypatch)
    swept = sweep(study, executor="none", workers=Processes(1))
    assert len(list((tmp_path / "marks").iterdir())) == 2
    assert all(found.result is not None for found in swept.cells)


def test_a_job_that_kills_every_worker_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = [{"name": "up", "field": UP, "values": ["1 Mbit/s"]}]
    study = dying_study(tmp_path, 99, monkeypatch, axes=axes)
    with pytest.raises(UserJobError) as told:
        sweep(study, executor="none", out=tmp_path / "out", workers=Processes(2))
    assert str(told.value) == (
        "point 0 (up = 1 Mbit/s), timing Dies: 3 workers died running it, the last by the signal SIGKILL"
        " (the system may be out of memory)"
    )
    assert len(list((tmp_path / "marks").iterdir())) == 3


def test_a_failed_job_is_a_user_error_or_a_defect() -> None:
    """Only user errors give a user error in one line; a defect keeps its worker's traceback."""
    users = Failure("point 0, timing a", sent_error("a", DataError("no such data")))
    ours = Failure("point 1, timing b", sent_error("b", KeyError("x")))
    assert isinstance(job_error([users]), UserJobError)
    assert str(job_error([users])) == "point 0, timing a: no such data"
    both = job_error([users, ours])
    assert type(both) is JobError
    assert str(both).splitlines()[1] == "point 1, timing b: 'x'"
    assert both.__notes__ == [
        "a, in its worker:\ncutlayer.sim.data.info.DataError: no such data\n",
        "b, in its worker:\nKeyError: 'x'\n",
    ]


@pytest.mark.parametrize("workers", [Here(), Processes(2)], ids=["here", "processes"])
def test_an_empty_list_of_jobs_starts_no_work(workers: Workers) -> None:
    with workers as doing:
        doing.run([], lambda *_: None, lambda _: None)

"""A sweep on a real Dask scheduler with two real workers writes the same files as a local one."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from dask_cluster import ALLOWED_FAILURES, Dask
from small_studies import UP, study_file
from test_going_on import DIES, KILLED_AT_THE_SEVENTH, MANY, contents, whole_files

from cutlayer.sim.commands.sweep import workers
from cutlayer.sim.studies.sweep import load_study
from cutlayer.sim.studies.sweep import sweep as sweep_here

pytest.importorskip("distributed", reason="needs Dask")
ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


@pytest.fixture
def there(dask: Dask, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in the folder of the cluster."""
    monkeypatch.chdir(dask.folder)
    return cli


def test_a_killed_sweep_continues_to_the_files_of_one_process(
    dask: Dask, there: CommandLine
) -> None:
    file = study_file(dask.folder, axes=MANY, crossovers={"axis": "up"})
    sweep_here(load_study(file), out=dask.folder / "home")
    command = ["sweep", str(file), "--out", "away", "--scheduler", dask.address]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [*KILLED_AT_THE_SEVENTH, *command],
        cwd=dask.folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list((dask.folder / "away" / "cells").glob("*.gz"))) == 6
    assert not (dask.folder / "away" / "summary.json").exists()
    assert there(*command).code == 0
    assert whole_files(dask.folder / "away") == contents(dask.folder / "home")


def deadly(folder: Path, deaths: int) -> Path:
    """Write a method that kills `deaths` workers; return the folder with a mark for each."""
    (folder / "dying.py").write_text(DIES, encoding="utf-8")
    (folder / "deaths").write_text(str(deaths), encoding="utf-8")
    marks = folder / "marks"
    marks.mkdir(exist_ok=True)
    for mark in marks.iterdir():
        mark.unlink()
    return marks


def test_a_worker_that_dies_costs_a_retry(dask: Dask, there: CommandLine) -> None:
    marks = deadly(dask.folder, 1)
    file = study_file(dask.folder, set={"methods": ["dying:Dies"]}, name="dying")
    command = ("sweep", file, "--out", "dying", "--scheduler", dask.address, "--executor", "none")
    answer = there(*command)
    assert answer.code == 0, answer.err
    assert len(list(marks.iterdir())) == 1
    points = (dask.folder / "dying" / "points.csv").read_text(encoding="utf-8")
    assert points.count("complete") == 2


def test_a_job_that_kills_its_workers_is_one_line(dask: Dask, there: CommandLine) -> None:
    marks = deadly(dask.folder, 99)
    axes = [{"name": "up", "field": UP, "values": ["1 Mbit/s"]}]
    methods = ["splitfed", "dying:Dies"]
    file = study_file(dask.folder, axes=axes, set={"methods": methods}, name="killing")
    command = ("sweep", file, "--out", "killing", "--scheduler", dask.address, "--executor", "none")
    ended = there(*command)
    dask.wait_for(2)
    assert ended.code == 2, ended.err
    assert ended.err == (
        "point 0 (up = 1 Mbit/s), timing splitfed, Dies: every worker that tried it died; see"
        " the workers' logs for the cause\n"
    )
    assert len(list(marks.iterdir())) == ALLOWED_FAILURES + 1


def test_the_measure_of_a_study_that_trains_is_sent_to_the_workers() -> None:
    assert workers(None, "tcp://127.0.0.1:9", 1, "inline", "cpu")


def test_a_missing_scheduler_is_reported(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutlayer.sim.process.dask_connection.TIMEOUT_S", 1)
    monkeypatch.setattr("cutlayer.sim.process.dask_connection.SILENT_S", 0)
    address = "tcp://127.0.0.1:9"
    study_file(cli.folder)
    ended = cli("sweep", "small.yaml", "--executor", "none", "--scheduler", address)
    assert ended.code == 2
    assert f"waiting for the scheduler {address}, up to 1 s\n" in ended.out
    assert ended.err.startswith(f"--scheduler {address}: cannot be reached: ")

"""`cutlayer run` with worker processes, and the options that say where training runs."""

from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused, files, summary
from small_studies import small_study

from cutlayer import sweep
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.learning.graph.processes import OneProcess

SEEDS = ("--set", "seeds=[0, 1]", "--set", "training.rounds=2")


def test_worker_processes_leave_the_files_of_inline(cli: CommandLine) -> None:
    """Apart from the name of the executor."""
    for executor in ("inline", "processes"):
        answer = cli(
            *("run", "tiny.yaml", *SEEDS, "--executor", executor, "--jobs", 2, "--out", executor)
        )
        assert answer.code == 0, answer
    names = files(cli.folder / "inline")
    assert files(cli.folder / "processes") == names
    for name in names:
        one, other = cli.folder / "inline" / name, cli.folder / "processes" / name
        if one.is_dir() or one.name == "checksums.sha256":
            continue
        content = other.read_bytes()
        if one.suffix == ".json":
            content = content.replace(b'"executor": "processes"', b'"executor": "inline"')
        assert content == one.read_bytes(), name
    weights = [
        method["weights_digest"]
        for seed in (0, 1)
        for method in summary(cli.folder / f"processes/seed-{seed}")["methods"].values()
    ]
    assert len(set(weights)) == 4


def test_one_job_needs_no_worker() -> None:
    runtime = open_runtime("processes", ExecutorSettings(jobs=1, threads=3))
    assert isinstance(runtime, OneProcess)
    with runtime:
        assert runtime.numerics()["threads"] == 3


def test_a_scheduler_is_refused_without_dask(cli: CommandLine) -> None:
    answer = cli("run", "tiny.yaml", "--scheduler", "tcp://127.0.0.1:1", "--executor", "processes")
    assert_refused(answer, "scheduler", "dask", "'processes'")
    assert files(cli.folder) == ["tiny.yaml"]


@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_a_study_trains_in_its_own_workers(executor: str, tmp_path: Path) -> None:
    """So that curves are shared between these executors."""
    study = small_study(tmp_path)
    first = sweep(study, executor="inline", cache=tmp_path / "cache")
    again = sweep(study, executor=executor, cache=tmp_path / "cache")
    assert first.new["trainings"] > 0
    assert again.new["trainings"] == 0
    assert again.versions["executor"] == "inline"

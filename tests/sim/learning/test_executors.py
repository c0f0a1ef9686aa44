"""Executors by name: any entry of the registry runs in `run`, in a study and on the command line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from small_studies import SCENARIO, small_study
from tiny_runs import tiny

from cutlayer import load_scenario, run, sweep
from cutlayer.sim.learning import executors
from cutlayer.sim.learning.executors import (
    EXECUTORS,
    ExecutorEntry,
    UnknownExecutorError,
    executor_entry,
)
from cutlayer.sim.learning.inline import Inline, InlineRuntime
from cutlayer.sim.learning.workspace import Workspace


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Workspace]:
    """Register the executor `counted`: `inline` that counts its instances."""
    workspaces: list[Workspace] = []

    class Counted(InlineRuntime):
        def executor(self, workspace: Workspace) -> Inline:
            workspaces.append(workspace)
            return super().executor(workspace)

        def numerics(self) -> dict[str, Any]:
            return super().numerics() | {"executor": "counted"}

    entry = ExecutorEntry("inline, counted", Counted)
    monkeypatch.setattr(executors, "EXECUTORS", {**EXECUTORS, "counted": entry})
    return workspaces


def test_a_run_trains_with_the_executor_of_its_name(tmp_path: Path, made: list[Workspace]) -> None:
    (tmp_path / "tiny.yaml").write_text(SCENARIO, encoding="utf-8")
    loaded = load_scenario(tmp_path / "tiny.yaml")
    (inline,), (counted,) = run(loaded), run(loaded, executor="counted")
    assert len(made) == len(counted.methods) == 2
    for label, method in inline.methods.items():
        assert method.weights_digest == counted.methods[label].weights_digest
        assert method.curve == counted.methods[label].curve
    assert counted.versions["executor"] == counted.versions["numerics"]["executor"] == "counted"


def test_a_study_trains_with_the_executor_of_its_name(
    tmp_path: Path, made: list[Workspace]
) -> None:
    result = sweep(small_study(tmp_path), executor="counted")
    assert result.trainings.needed == result.new["trainings"] == len(made) == 2


def test_an_unknown_executor_is_an_error_that_names_the_nearest(cli: CommandLine) -> None:
    message = "executor: unknown executor 'inlin'; did you mean 'inline'?"
    for command in ("run", "check"):
        answer = cli(command, "tiny.yaml", "--executor", "inlin")
        assert (answer.code, answer.err) == (2, f"{message}\n")
    assert not Path("runs").exists()
    with pytest.raises(UnknownExecutorError, match="did you mean 'inline'"):
        run("tiny.yaml", executor="inlin")
    with pytest.raises(UnknownExecutorError, match="known are none, inline"):
        executor_entry("xyz")


def test_the_reference_names_all_executors() -> None:
    text = (Path(__file__).parents[3] / "docs/reference/command-line.md").read_text(
        encoding="utf-8"
    )
    (row, *_) = [line for line in text.splitlines() if line.startswith("| `--executor")]
    assert all(f"`{name}`" in row for name in EXECUTORS)


def test_a_run_trains_with_the_torch_threads_that_it_is_given() -> None:
    before = torch.get_num_threads()
    for threads in (before, before + 1):
        (result,) = run(tiny("training.rounds=1"), threads=threads)
        assert result.versions["numerics"]["threads"] == threads
        assert torch.get_num_threads() == before

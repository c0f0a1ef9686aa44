"""A training that goes on from the checkpoint after any round, as tasks in a random order."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from shuffled import Shuffled
from tiny_runs import digits, tiny
from training_cases import learned, overrides_of, reference

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.checkpoints import method_checkpoints
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import empty_result, play
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.resumable import Resumable


def trained_into(folder: Path, overrides: Sequence[str], copies: Path | None) -> tuple[Any, int]:
    """Train, go on from a checkpoint in a folder, and copy it after each round.

    Returns what was learned and the number of rounds that were replayed.
    """
    plan = plan_checked(tiny(*overrides), trains=True)[0]
    entry = plan.scenario.methods[0]
    folder.mkdir(exist_ok=True)
    checkpoints = [method_checkpoints(folder, 0, entry.label, Resumable(dict, 1, print))]

    def committed(played: Played, row: RoundResult) -> None:
        checkpoints[0].committed(played, row)
        if copies is not None:
            shutil.copytree(folder, copies / f"after-{row.index + 1}")

    result: MethodResult = empty_result(plan, entry)
    backend = Shuffled(len(str(folder)))
    with GraphRuntime(ExecutorSettings(), lambda _: backend) as runtime:
        play(
            plan,
            entry,
            digits(0),
            result=result,
            progress=RoundProgress(committed=committed),
            runtime=checkpoints[0].runtime(runtime),
        )
        replayed = checkpoints.pop().rounds  # it has values of the last round
        assert backend.live == 1, "of a run that has ended, only the data set is kept"
    return learned(result), replayed


@pytest.mark.parametrize(
    "name",
    [
        "gas",
        "gas, dropouts",
        "fedoptima, dropouts",
        "fedasync, dropouts",
        "fedgkt",
        "splitfed, late",
        "splitfed, codec",
        "gas, codec",
        "gas, lora",
    ],
)
def test_a_training_goes_on_from_every_round(name: str, tmp_path: Path) -> None:
    overrides = overrides_of(name)
    undisturbed, _ = trained_into(tmp_path / "run", overrides, tmp_path)
    assert undisturbed == reference(name)
    for rounds in range(1, len(undisturbed["rounds"])):
        resumed, replayed = trained_into(tmp_path / f"after-{rounds}", overrides, None)
        assert replayed == rounds
        assert resumed == undisturbed

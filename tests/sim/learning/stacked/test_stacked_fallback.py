"""What `stacked` runs one after another, with the same results, and how it says so."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from small_studies import SCENARIO
from stacked_runs import CLOSE, EQUAL_SIZES, assert_close, compare, trained

from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import numerics_of

DOUBLE = torch.float64


def bits(states: dict[str, Any]) -> list[tuple[str, str, bytes]]:
    return [
        (name, own, value.numpy().tobytes())
        for name, state in states.items()
        for own, value in state.items()
    ]


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["methods=[splitfed_v2]"], "chains that exchange tensors with others run one after"),
        (["methods=[gas]"], "chains that exchange tensors with others run one after"),
        (
            ["model={name: 'own_models:dropout', cut: 2}"],
            "the model draws random numbers, as dropout does",
        ),
        (["model={name: 'own_models:noise', cut: 2}"], "the model draws random numbers"),
        (["training.clients_per_round=1"], "no other chain has the same shape"),
    ],
    ids=["splitfed_v2", "gas", "dropout", "noise", "one client"],
)
def test_what_has_no_stacked_form_runs_as_with_inline(overrides: list[str], reason: str) -> None:
    """Bit for bit, and the reason is given."""
    expected, _ = trained("inline", torch.float32, *overrides)
    states, text = trained("stacked", torch.float32, *overrides)
    assert text.startswith("stacked: 0 of ")
    assert f"the others one after another: {reason}" in text
    assert bits(states) == bits(expected)


@pytest.mark.parametrize(
    "overrides",
    [
        ["methods=[fedasync]"],
        ["methods=[{fedbuff: {buffer: 2}}]"],
        ["methods=[fedasync]", "training.optimizer_state=kept"],
        ["model={name: 'own_models:statistics', cut: 2}"],
        ["model={name: 'own_models:flat_statistics', cut: 1}"],
    ],
    ids=" ".join,
)
def test_other_methods_and_models_end_with_the_states_of_inline(overrides: list[str]) -> None:
    assert compare(DOUBLE, *overrides).startswith("stacked: ")


def test_at_most_jobs_chains_run_side_by_side() -> None:
    """Of three chains a round, two run side by side, and one is left over."""
    text = compare(DOUBLE, EQUAL_SIZES, jobs=2)
    assert text == (
        "stacked: 4 of 6 chains ran side by side, the others one after another: "
        "no other chain has the same shape (2)"
    )


def test_numerics_tell_the_executor_and_the_number_of_lanes() -> None:
    inline, stacked = numerics_of("inline"), numerics_of("stacked")
    assert inline is not None
    assert stacked == inline | {"executor": "stacked", "lanes": 32}
    assert numerics_of("stacked", ExecutorSettings(jobs=4)) == stacked | {"lanes": 4}


def test_stacked_training_repeats_its_bits() -> None:
    (first, _), (second, _) = (trained("stacked", torch.float32) for _ in range(2))
    assert bits(first) == bits(second)
    assert_close(first, trained("inline", torch.float32)[0], CLOSE[torch.float32])


def test_a_run_says_how_many_chains_ran_side_by_side(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SCENARIO, encoding="utf-8")
    answer = cli("run", "tiny.yaml", "--executor", "stacked", "--no-plots")
    assert answer.code == 0
    assert "stacked: 8 of 8 chains ran side by side" in answer.out + answer.err
    versions = json.loads((tmp_path / "runs/tiny/versions.json").read_text(encoding="utf-8"))
    assert versions["executor"] == versions["numerics"]["executor"] == "stacked"

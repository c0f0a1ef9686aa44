"""The `stacked` executor against `inline`, for every method with a stacked form.

The results are the same sums in another order, so they differ by rounding, which training amplifies. In
float64 the limit is 1e-10 of a state's largest value, about a million roundings, which no error of the
mathematics would meet. In float32 it is 1e-4 after two rounds. Quantisation turns a rounding into a step
of 1/127 of the peak when a value lies between two steps, rarely enough for the same limit here.
With bfloat16, whose numbers are 0.8 % apart, it is 2 %.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_runs import METHODS, Inside
from torch import Tensor

from cutlayer.models.quantise import Quantised, dequantise
from cutlayer.scenarios.numerics import Numerics
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.learning.workspace import Workspace

CLOSE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.02}
EQUAL_SIZES = "data.partition={sizes: 20}"


def trained(
    executor: str, dtype: torch.dtype, *overrides: str, jobs: int | None = None
) -> tuple[dict[str, Any], str]:
    """Train a tiny scenario; return the states and what the executor says at its end.

    The state "loss" has the training and test losses of the rounds.
    """
    run = Inside(*overrides)
    before, lines = run.workspace, list[str]()
    runtime = open_runtime(executor, ExecutorSettings(jobs=jobs, note=lines.append))
    assert runtime is not None
    with runtime:
        states = dict(before.states)
        numerics = Numerics(dtype=str(dtype).removeprefix("torch."))
        run.method.world.learning.executor = runtime.executor(
            Workspace(before.recipe, before.feed, states, numerics)
        )
        run.train()
    rows = run.result.rounds
    losses = [row.training_loss for row in rows] + [row.test_loss for row in rows]
    figures = torch.tensor([loss for loss in losses if loss is not None], dtype=torch.float64)
    return {**run.states, "loss": {"": figures}}, "".join(lines)


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of a state in order, also those of an optimizer or a buffer."""
    if isinstance(value, Quantised):
        yield dequantise(value)
    elif isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for own in value.values():
            yield from tensors(own)
    elif isinstance(value, list | tuple):
        for own in value:
            yield from tensors(own)


def assert_close(states: dict[str, Any], expected: dict[str, Any], limit: float) -> None:
    """Check that the values of each state agree to `limit` times the largest of them."""
    assert states.keys() == expected.keys()
    for name, value in expected.items():
        largest = max(
            (float(t.double().nan_to_num().abs().max()) for t in tensors(value) if t.numel()),
            default=0.0,
        )
        for own, other in zip(tensors(states[name]), tensors(value), strict=True):
            assert own.dtype == other.dtype, name
            close = torch.isclose(
                own.double(), other.double(), rtol=0, atol=limit * largest, equal_nan=True
            )
            assert close.all(), name


def compare(dtype: torch.dtype, *overrides: str, jobs: int | None = None) -> str:
    """Train with both executors, check that the states agree, and return what `stacked` says."""
    expected, nothing = trained("inline", dtype, *overrides)
    states, text = trained("stacked", dtype, *overrides, jobs=jobs)
    assert nothing == ""
    assert_close(states, expected, CLOSE[dtype])
    return text


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_ends_with_the_states_of_inline(method: str, dtype: torch.dtype) -> None:
    """Shards of 10, 20 and 30 samples: batches of other sizes run on their own, in the same stack."""
    text = compare(dtype, f"methods=[{method}]")
    alone = {"split_learning": 2, "centralised": 2, "{fedgkt: {exchange_weights: false}}": 2}
    if method in ("split_learning", "centralised"):
        assert text.startswith("stacked: 0 of 2 chains ran side by side")
    elif method in alone:
        assert text.startswith("stacked: 6 of 8 chains ran side by side, the others one after")
    else:
        assert text == "stacked: 6 of 6 chains ran side by side"


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.optimizer={name: adam, lr: 0.002}", "training.optimizer_state=kept"],
        ["training.optimizer_state=kept", "training.clients_per_round=2", "training.rounds=3"],
        ["training.optimizer={name: sgd, lr: 0.02, momentum: 0.5, nesterov: true}"],
        ["model={name: vgg5, cut: 2}", EQUAL_SIZES, "data.train_samples=60"],
        ["model={name: resnet12, cut: 2}", EQUAL_SIZES, "training.rounds=1"],
        ["model.cut=0"],
        ["model.cut=5"],
        ["training.local_epochs=2", "data.augment=true", "training.averaging=equal"],
        [
            "training.lr_schedule={exponential: {gamma: 0.5}}",
            "methods=[{splitfed: {aggregation: {fedadam: {lr: 0.01}}}}]",
        ],
    ],
    ids=" ".join,
)
def test_splitfed_ends_with_the_states_of_inline(overrides: list[str]) -> None:
    assert "others" not in compare(torch.float64, *overrides)


LINK = "{up: 8 Mbit/s, down: 8 Mbit/s, delay: 5 ms}"
EDGES = (
    "topology={two_tier: {server: {device: server-8-core, slots: 1}, edge_nodes: ["
    f"{{name: e0, link: {LINK}, device: jetson-nano, "
    "clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]}, "
    f"{{name: e1, link: {LINK}, device: jetson-nano, "
    "clients: [{device: raspberry-pi-4b, count: 1, link: 4g}]}]}}"
)


@pytest.mark.parametrize(
    ("overrides", "stacked"),
    [
        (["model={name: vgg5, cut: {raspberry-pi-4b-0: 1, default: 2}}"], "4 of 6"),
        (["methods=[{splitfed: {edges: {rounds: 2}}}]", EDGES], "8 of 12"),
        (["training.closing={first: 2, late: next}", "training.rounds=4"], "8 of 8"),
        (["methods=[safsl]"], "8 of 8"),
        (["methods=[{ecofed: {init: random, period: 2}}]", "training.rounds=4"], "12 of 12"),
    ],
    ids=["cuts", "edges", "late", "safsl", "replay"],
)
def test_chains_run_beside_those_of_their_shape(overrides: list[str], stacked: str) -> None:
    """Clients of one cut, of one edge node, or of one fold."""
    text = compare(torch.float64, *overrides)
    assert text.startswith(f"stacked: {stacked} chains ran side by side")


def test_bfloat16_runs_side_by_side_as_well() -> None:
    text = compare(torch.bfloat16, EQUAL_SIZES)
    assert text == "stacked: 6 of 6 chains ran side by side"

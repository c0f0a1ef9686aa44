"""Trainings with the `stacked` executor beside those with `inline`, and how close they must be.

The results are the same sums in another order, so they differ by rounding, which training amplifies. In
float64 the limit is 1e-10 of a state's largest value, about a million roundings, which no error of the
mathematics would meet. In float32 it is 1e-4 after two rounds. Quantisation turns a rounding into a step
of 1/127 of the peak when a value lies between two steps, rarely enough for the same limit here.
With bfloat16, whose numbers are 0.8 % apart, it is 2 %.
"""

from collections.abc import Iterator
from typing import Any

import torch
from tiny_runs import Inside
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

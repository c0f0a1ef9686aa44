"""When a run stops because of its accuracies."""

from types import SimpleNamespace
from typing import Any

import pytest
from tiny_runs import TINY

from cutlayer import load_scenario, run
from cutlayer.sim.run.stop_condition import MetricLimits, StopCondition


def stops_with(stop: StopCondition, *accuracies: float | None) -> int | None:
    """Return the number of the first round that ends a run with these accuracies."""
    limits = MetricLimits(stop)
    rows: Any = [SimpleNamespace(value={"accuracy": value}.get) for value in accuracies]
    reached = [limits.reached(row) for row in rows]
    return reached.index(True) if True in reached else None


@pytest.mark.parametrize(
    ("limits", "accuracies", "expected"),
    [
        ({}, (0.5, 0.5, 0.5), None),
        ({"target": 0.5}, (0.4, 0.5, 0.6), 1),
        ({"patience": 2}, (0.5, 0.5, 0.4, 0.6), 2),
        ({"patience": 2}, (0.5, 0.4, 0.6, 0.5, 0.7), None),
        ({"patience": 2}, (0.5, None, 0.5, None, None, 0.5), 5),  # only evaluations count
        ({"patience": 1}, (0.0, 0.1, 0.1), 2),  # the first evaluation is progress
        ({"patience": 2, "min_delta": 0.1}, (0.5, 0.55, 0.59), 2),
        (
            {"patience": 2, "min_delta": 0.1},
            (0.5, 0.55, 0.61, 0.7),
            None,
        ),  # over the best of before
        ({"patience": 2, "target": 0.6}, (0.5, 0.6, 0.6), 1),
    ],
)
def test_a_run_stops_with_the_first_round_without_progress(
    limits: dict[str, float], accuracies: tuple[float | None, ...], expected: int | None
) -> None:
    assert stops_with(StopCondition(100, **limits), *accuracies) == expected  # type: ignore[arg-type]


def test_a_method_without_progress_stops_and_the_others_go_on(tmp_path: Any) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    still = "training.optimizer.lr=1e-9"  # the weights do not change in float32
    (found,) = run(
        load_scenario(file, [still, "training.rounds=9", "training.evaluate_every=2",
                             "stop={patience: 2}", "methods=[splitfed, centralised]"])
    )  # fmt: skip
    for method in found.methods.values():
        assert [r.accuracy is not None for r in method.rounds] == [False, True] * 3
    assert found.status == "complete"

"""Losses and learning rates of rounds, against those of the training itself."""

from typing import Any

import pytest
import torch
from tiny_runs import results
from torch.nn import functional

from cutlayer.sim.learning import operations
from cutlayer.sim.learning.kernels import fingerprint
from cutlayer.sim.learning.pending import ChainReport, Evaluation, TrainedRound
from cutlayer.sim.run.trained_figures import mean_loss, trained_figures


def test_the_loss_of_a_round_is_the_mean_over_its_samples() -> None:
    reports = [ChainReport(1.0, 10), ChainReport(), ChainReport(4.0, 5)]
    assert mean_loss(reports) == (10 * 1.0 + 5 * 4.0) / 15
    assert mean_loss([ChainReport()]) is None
    assert mean_loss([]) is None


def test_losses_that_are_not_finite_are_unknown() -> None:
    mark: Any = type("Mark", (), {"done": True, "result": lambda _: None})()
    evaluation = Evaluation(0.5, float("inf"), False, ((1, 1), (0, 0)))
    found = trained_figures(TrainedRound("", mark, [], [0.1, 0.3]), evaluation)
    assert found == {
        "training_loss": None,
        "learning_rate": pytest.approx(0.2),
        "accuracy": 0.5,
        "test_loss": None,
        "class_accuracy": (0.5, None),
        "metrics": None,
    }
    assert trained_figures(TrainedRound("", None, []), None) == {}


# In a round, 3 clients have 10, 20 and 30 samples in batches of 8; one of 1 sample may be left out.
METHODS = (
    *("classic_fl", "fedprox", "splitfed", "splitfed_v2", "split_learning", "centralised"),
    *("local_loss", "{ecofed: {init: random}}", "{ampere: {first_phase: 0}}"),
)


@pytest.mark.parametrize("method", METHODS)
def test_the_training_loss_is_that_of_the_steps(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint()  # has losses of its own
    seen: list[tuple[float, int]] = []
    with_head: list[int] = []
    cross_entropy, train_on = functional.cross_entropy, operations.train_on

    def recorded(scores: torch.Tensor, labels: torch.Tensor, **options: Any) -> torch.Tensor:
        loss = cross_entropy(scores, labels, **options)
        if not options:  # of a training step; those of evaluations are sums
            seen.append((float(loss.detach()), len(labels)))
        return loss

    def stepped(loss: torch.Tensor, *replicas: Any) -> None:
        if method == "local_loss" and len(replicas) == 2:  # device block and head
            with_head.append(len(seen) - 1)
        train_on(loss, *replicas)

    monkeypatch.setattr(functional, "cross_entropy", recorded)
    monkeypatch.setattr(operations, "train_on", stepped)
    (found,) = results(f"methods=[{method}]", "training.rounds=1").values()
    mine = [pair for number, pair in enumerate(seen) if number not in with_head]
    samples = sum(count for _, count in mine)
    assert samples in (58, 59, 60)
    assert found.rounds[0].training_loss == pytest.approx(
        sum(loss * count for loss, count in mine) / samples
    )


@pytest.mark.parametrize("method", ["classic_fl", "fedprox", "splitfed", "local_loss", "fedgkt"])
def test_chains_side_by_side_have_their_losses(method: str) -> None:
    """Rounding differs, see the tolerances of the executor's own tests."""
    overrides = (f"methods=[{method}]", "training.rounds=1", "data.partition={sizes: 20}")
    (stacked,) = results(*overrides, executor="stacked").values()
    (inline,) = results(*overrides).values()
    expected = inline.rounds[0].training_loss
    assert stacked.rounds[0].training_loss == pytest.approx(expected, rel=1e-3)


def test_the_learning_rate_follows_the_schedule() -> None:
    (found,) = results(
        "methods=[splitfed]",
        "training.rounds=3",
        "training.lr_schedule={exponential: {gamma: 0.5}}",
    ).values()
    assert [row.learning_rate for row in found.rounds] == [0.05, 0.025, 0.0125]


def test_without_an_evaluation_only_the_training_has_figures() -> None:
    (found,) = results(
        "methods=[splitfed]", "training.rounds=3", "training.evaluate_every=3"
    ).values()
    assert [row.test_loss is None for row in found.rounds] == [True, True, False]
    assert all(row.training_loss is not None for row in found.rounds)


def test_what_is_not_trained_has_no_figures() -> None:
    (found,) = results("methods=[splitfed]", executor="none").values()
    assert all(row.trained == {} for row in found.rounds)
    summary = found.summary({})
    for key in ("training_loss", "test_loss", "class_accuracy", "client_accuracy"):
        assert summary[key] is None

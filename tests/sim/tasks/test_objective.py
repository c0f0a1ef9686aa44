"""Losses and the figures of test batches against torch and slow twins."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.sim.data.info import IGNORED
from cutlayer.sim.learning.evaluation import combined
from cutlayer.sim.learning.joint_steps import merged_step
from cutlayer.sim.learning.replica import Replica
from cutlayer.sim.tasks.objective import Objective
from cutlayer.sim.tasks.task import LearningTaskError, Task

CLASSES = 3


def scores(samples: int = 40) -> tuple[Tensor, Tensor]:
    torch.manual_seed(4)
    return torch.randn(samples, CLASSES), torch.randint(0, CLASSES, (samples,))


def test_the_default_loss_is_torch_s_to_the_bit() -> None:
    output, target = scores()
    expected = functional.cross_entropy(output, target)
    assert torch.equal(Objective().loss(output, target), expected)
    lanes = Objective().losses(output.view(2, 20, CLASSES), target.view(2, 20))
    for lane, part in zip(lanes, (slice(20), slice(20, 40)), strict=True):
        torch.testing.assert_close(lane, functional.cross_entropy(output[part], target[part]))


def test_weights_of_classes_multiply_the_losses_of_samples() -> None:
    output, target = scores()
    weights = (0.5, 2.0, 1.25)
    loss = Objective(Task(class_weights=weights), CLASSES).loss(output, target)
    each = [
        weights[label] * float(functional.cross_entropy(row[None], torch.tensor([label])))
        for row, label in zip(output, target.tolist(), strict=True)
    ]
    assert float(loss) == pytest.approx(sum(each) / len(each), rel=1e-6)


def test_the_loss_of_a_batch_is_the_mean_over_its_parts() -> None:
    """So that micro-batches and lanes add up, also with weights, unlike torch's own weighting."""
    output, target = scores(30)
    for task in (
        Task(class_weights=(0.5, 2.0, 1.25)),
        Task("regression", "huber", ("mae",)),
        Task("language_model", metrics=("perplexity",)),
    ):
        if task.kind == "language_model":
            pair = output.view(5, 6, CLASSES), target.view(5, 6)
        else:
            pair = (output, target) if task.class_weights else (output, output.flip(0))
        loss = Objective(task, CLASSES).loss
        parts = [tuple(value[part] for value in pair) for part in (slice(0, 2), slice(2, None))]
        mean = sum(len(x) * float(loss(x, y)) for x, y in parts) / len(pair[0])  # type: ignore[arg-type]
        assert float(loss(*pair)) == pytest.approx(mean, rel=1e-6)
        lanes = Objective(task, CLASSES).losses(
            torch.stack([pair[0]] * 2), torch.stack([pair[1]] * 2)
        )
        torch.testing.assert_close(lanes, loss(*pair).expand(2))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("mse", 1.25), ("mae", 1.0), ("huber", (0.125 + 1.0) / 2)],
)
def test_losses_of_numbers_by_hand(loss: str, expected: float) -> None:
    objective = Objective(Task("regression", loss, ("mae",)))
    output, target = torch.tensor([[1.0], [2.0]]), torch.tensor([0.5, 3.5])
    assert float(objective.loss(output, target)) == pytest.approx(expected)


def figures(task: Task, batches: list[tuple[Tensor, Tensor]], classes: int = CLASSES) -> dict:
    objective = Objective(task, classes)
    found = combined(objective, [[objective.measure(*b) for b in batches]], [1], True)
    return {"accuracy": found.accuracy, "loss": found.loss, **found.metrics}


def test_figures_do_not_depend_on_the_batches() -> None:
    output, target = scores()
    names = ("f1", "f1_weighted", "balanced_accuracy", "auroc", "own_tasks:top2")
    task = Task(metrics=names)
    whole = figures(task, [(output, target)])
    parts = figures(task, [(output[:7], target[:7]), (output[7:], target[7:])])
    assert list(whole) == ["accuracy", "loss", *names[:-1], "top2"]
    assert parts == pytest.approx(whole, rel=1e-6)
    assert {name: parts[name] for name in names[:-1]} == {name: whole[name] for name in names[:-1]}
    right = (output.argmax(dim=1) == target).float().mean()
    assert whole["accuracy"] == pytest.approx(float(right))
    second = output.sort(dim=1, descending=True).indices[:, 1] == target
    assert whole["top2"] == pytest.approx(float(right + second.float().mean()))


def test_figures_of_tokens_against_a_loop() -> None:
    output, target = scores(24)
    task = Task("language_model", metrics=("perplexity", "accuracy"))
    found = figures(task, [(output.view(4, 6, CLASSES), target.view(4, 6))])
    likelihood = 1.0
    for row, label in zip(output.double(), target.tolist(), strict=True):
        likelihood *= float(nn.functional.softmax(row, dim=0)[label])
    assert found["perplexity"] == pytest.approx(likelihood ** (-1 / 24), rel=1e-6)
    assert found["accuracy"] == int((output.argmax(dim=1) == target).sum()) / 24
    assert found["loss"] == pytest.approx(float(functional.cross_entropy(output, target)))


def test_padding_does_not_count_in_a_language_model() -> None:
    """Neither in the loss, also of parts with different numbers of tokens, nor in the figures."""
    output, target = scores(24)
    output, target = output.view(4, 6, CLASSES), target.view(4, 6)
    real = torch.arange(6) < torch.tensor([[1], [6], [2], [4]])
    padded = target.where(real, torch.tensor(IGNORED))
    task = Task("language_model", metrics=("perplexity", "accuracy"))
    objective = Objective(task, CLASSES)
    expected = functional.cross_entropy(output[real], target[real])
    torch.testing.assert_close(objective.loss(output, padded), expected)
    parts = [(output[part], padded[part]) for part in (slice(0, 1), slice(1, 4))]
    assert [objective.weight(own) for _, own in parts] == [1 / 6, 2.0]
    assert objective.weight(target) == 4
    mean = sum(objective.weight(y) * float(objective.loss(x, y)) for x, y in parts) / (13 / 6)
    assert mean == pytest.approx(float(expected), rel=1e-6)
    whole, divided = figures(task, [(output, padded)]), figures(task, parts)
    without = figures(task, [(output[real][None], target[real][None])])
    assert whole == pytest.approx(divided, rel=1e-6)
    assert whole == pytest.approx(without, rel=1e-6)


def test_a_merged_step_gives_each_client_the_gradient_of_its_own_tokens() -> None:
    task = Objective(Task("language_model", metrics=("perplexity",)), CLASSES)
    torch.manual_seed(5)
    module = nn.Linear(4, CLASSES)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    run: Any = SimpleNamespace(
        task=task, replica=lambda _: Replica(module, optimizer), record_loss=lambda *_: None
    )
    uploads = []
    for samples, real in ((3, [[1], [2], [2]]), (2, [[6], [5]])):
        labels = torch.randint(0, CLASSES, (samples, 6))
        ignored = torch.arange(6) >= torch.tensor(real)
        uploads.append((torch.randn(samples, 6, 4), labels.masked_fill(ignored, IGNORED)))
    gradients = merged_step(run, *uploads)
    for (activation, labels), gradient in zip(uploads, gradients, strict=True):
        leaf = activation.clone().requires_grad_()
        (own,) = torch.autograd.grad(task.loss(module(leaf), labels), leaf)
        torch.testing.assert_close(gradient, own)


def test_figures_that_are_not_finite_are_left_out() -> None:
    output = torch.tensor([[1.0], [torch.nan]])
    found = figures(Task("regression", "mse", ("mae", "rmse")), [(output, torch.zeros(2))])
    assert set(found) == {"accuracy", "loss"}
    assert found["accuracy"] is None


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            Task("regression", "own_tasks:missing", ("mae",)),
            "loss 'own_tasks:missing' cannot be imp",
        ),
        (Task("regression", "own_tasks:LENGTH", ("mae",)), "is int, expected a callable"),
        (Task("regression", "mse", ("own_tasks:LENGTH",)), "metric 'own_tasks:LENGTH' is int"),
        (Task("regression", "own_tasks:vector_loss", ("mae",)), r"one number, got shape \(2, 1\)"),
        (
            Task("regression", "own_tasks:failing_loss", ("mae",)),
            r"failed \(ValueError: no loss today\)",
        ),
        (
            Task("regression", "mse", ("own_tasks:text_metric",)),
            "metric 'own_tasks:text_metric' failed",
        ),
    ],
)
def test_a_user_s_loss_or_metric_that_does_not_fit_is_named(task: Task, message: str) -> None:
    with pytest.raises(LearningTaskError, match=message):
        figures(task, [(torch.zeros(2, 1), torch.zeros(2, 1))])

"""Evaluation of models on the test set, batch by batch.

A slice of the test batches can be evaluated anywhere. Results are added up in the order of the batches,
so that all slicings give the same bits. BatchNorm uses its running statistics, or those of each batch if
it has none.
"""

from collections.abc import Iterable, Sequence
from math import isfinite

import torch
from torch import nn

from cutlayer.sim.learning.pending import Evaluation
from cutlayer.sim.learning.replica import State
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.workspace import Streams, Workspace
from cutlayer.sim.tasks.objective import Confusion, Measured, Objective


def evaluate_batches(
    workspace: Workspace, modules: Sequence[nn.Module], first: int = 0, end: int | None = None
) -> list[Measured]:
    """Return the results of the test batches from `first` to before `end`, for modules in sequence.

    Each batch has its own random stream, for models that draw in evaluation mode.
    """
    model = nn.Sequential(*modules).eval()
    batches = workspace.feed.test_batches[first:end]
    found = []
    with torch.inference_mode():
        for number, (inputs, labels) in enumerate(batches, start=first):
            streams = Streams(workspace.recipe.seed, "evaluation", number, device=workspace.device)
            with workspace.drawing(streams):
                scores = model(workspace.on_device(workspace.converted(inputs)))
            labels = workspace.on_device(labels)
            found.append(workspace.task.measure(scores, labels))
    return found


def combined(
    task: Objective,
    models: Sequence[Sequence[Measured]],
    weights: Sequence[int],
    finite: bool,
) -> Evaluation:
    """Return the figures of models, each with the results of all test batches in order.

    Metrics that are not finite are left out.
    """
    confusions = [_added(counts.confusion for counts in batches) for batches in models]
    figures = [task.figures(*pair) for pair in zip(models, confusions, strict=True)]
    samples = [sum(counts.samples for counts in batches) for batches in models]
    losses = [sum(counts.loss for counts in batches) for batches in models]
    for of, confusion, count in zip(figures, confusions, samples, strict=True):
        if confusion and "accuracy" not in of:
            of["accuracy"] = sum(confusion[label][label] for label in range(len(confusion))) / count
    total = sum(weights)
    means = {
        name: sum(weight * of[name] for weight, of in zip(weights, figures, strict=True)) / total
        for name in figures[0]
    }
    accuracy = means.pop("accuracy", None)
    pairs = zip(weights, losses, samples, strict=True)
    return Evaluation(
        accuracy=accuracy,
        loss=sum(weight * (loss / count) for weight, loss, count in pairs) / total,
        finite=finite,
        confusion=_added(
            tuple(tuple(weight * count for count in row) for row in confusion)
            for weight, confusion in zip(weights, confusions, strict=True)
        ),
        metrics={name: value for name, value in means.items() if isfinite(value)},
        models=tuple(figures),
    )


def _added(confusions: Iterable[Confusion]) -> Confusion:
    total: Confusion = ()
    for one in confusions:
        total = (
            tuple(
                tuple(a + b for a, b in zip(row, other, strict=True))
                for row, other in zip(total, one, strict=True)
            )
            if total
            else one
        )
    return total


def all_finite(states: Iterable[State]) -> bool:
    """Return whether all values of states are finite."""
    return all(bool(torch.isfinite(value).all()) for state in states for value in state.values())


def modules_of(
    workspace: Workspace, keys: Sequence[StateKey], states: Sequence[State]
) -> list[nn.Module]:
    """Return the modules of a model that is named by the states of its parts, with their values.

    Blocks with separate states become one module. What stays at a client, given after the shared parts,
    replaces their tensors.
    """
    if all(key.block is None for key in keys):
        parts: dict[str, State] = {}
        for key, state in zip(keys, states, strict=True):
            parts[key.part] = {**parts.get(key.part, {}), **state}
        return [workspace.module(part, state) for part, state in parts.items()]
    weights = {name: value for state in states for name, value in state.items()}
    return [workspace.module("device", weights, len(keys))]

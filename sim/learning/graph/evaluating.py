"""Evaluations: the test set is divided into slices, so that all workers have a share of it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from cutlayer.sim.data.batches import evaluation_batches
from cutlayer.sim.learning.batch_feed import EVALUATION_BATCH
from cutlayer.sim.learning.graph.results import EvaluationOf
from cutlayer.sim.learning.graph.set_up import SetUp
from cutlayer.sim.learning.graph.task_graph import EVALUATION, Graph, Node, Value
from cutlayer.sim.learning.graph.tasks import EvaluationTask
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.tasks.objective import Objective

LEAST_BATCHES: Final = 4  # in a slice, since each task loads the model first


def evaluation_of(
    graph: Graph,
    set_up: SetUp,
    models: Sequence[tuple[tuple[StateKey, ...], Sequence[Value]]],
    weights: Sequence[int],
    test_batches: int,
) -> EvaluationOf:
    """Submit the evaluation of models, named by the states of their parts, with the inputs of each."""
    most = min(graph.backend.jobs, test_batches // LEAST_BATCHES)
    slices = max(1, -(-most // len(models)))
    ends = [test_batches * number // slices for number in range(slices + 1)]
    nodes: list[list[Node]] = []
    for keys, inputs in models:
        nodes.append([])
        for first, end in pairwise(ends):
            name = f"{set_up.recipe.method}, test batches {first} to {end - 1}"
            task = EvaluationTask(name, set_up, keys, first, end)
            nodes[-1].append(graph.add(task, inputs, 0, EVALUATION)[0])
    with set_up.looking_in():
        objective = Objective(set_up.recipe.task, set_up.recipe.classes)
    return EvaluationOf(graph, objective, nodes, weights)


def test_batches(samples: int, min_batch: int) -> int:
    """Return the number of test batches."""
    return len(evaluation_batches(samples, EVALUATION_BATCH, min_batch))

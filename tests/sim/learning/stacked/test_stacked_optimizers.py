"""The stacked optimizers against one torch.optim optimizer per lane, in float64."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cutlayer.sim.learning.recipe import Optimizer
from cutlayer.sim.learning.replica import make_optimizer
from cutlayer.sim.learning.stacked.lanes import Lanes
from cutlayer.sim.learning.stacked.part import StackedPart

CLOSE = {"rtol": 1e-12, "atol": 1e-13}  # a few roundings of float64
LRS = (0.05, 0.05, 0.02)
OPTIMIZERS = [
    Optimizer("sgd", 0.05),
    Optimizer("sgd", 0.05, weight_decay=0.01),
    Optimizer("sgd", 0.05, momentum=0.9, weight_decay=0.01),
    Optimizer("sgd", 0.05, momentum=0.9, nesterov=True),
    Optimizer("adam", 0.05),
    Optimizer("adam", 0.05, weight_decay=0.01),
]
TURNS = [(0, 1, 2), (0, 2), (1, 2), (1,), (0, 1, 2)]  # the lanes of each step, neighbours or not


def model(seed: int) -> nn.Module:
    """A small model with a parameter that never has a gradient."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    module.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    return module


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(7)
    return [
        (
            torch.randn(3, 5, 4, generator=draw, dtype=torch.float64),
            torch.randint(3, (3, 5), generator=draw),
        )
        for _ in range(count)
    ]


def losses(outputs: Tensor, labels: Tensor) -> Tensor:
    each = cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1).sum()


def stacked_and_plain(
    recipe: Optimizer, turns: Sequence[tuple[int, ...]], saved: list[dict[str, object] | None]
) -> tuple[StackedPart, list[nn.Module], list[torch.optim.Optimizer]]:
    models = [model(seed) for seed in range(3)]
    part = StackedPart(model(9), [one.state_dict() for one in models])
    part.optimize(recipe, LRS, saved)
    plain = [make_optimizer(m, recipe, lr, s) for m, lr, s in zip(models, LRS, saved, strict=True)]
    optimizers = [one for one in plain if one is not None]
    for chosen, (inputs, labels) in zip(turns, batches(len(turns)), strict=True):
        lanes = Lanes(chosen)
        turn = part.turn(lanes)
        turn.step(turn.gradients(losses(turn(lanes.take(inputs)), lanes.take(labels))))
        for lane in chosen:
            cross_entropy(models[lane](inputs[lane]), labels[lane]).backward()
            optimizers[lane].step()
            optimizers[lane].zero_grad()
    return part, models, optimizers


@pytest.mark.parametrize("recipe", OPTIMIZERS, ids=str)
def test_each_lane_has_the_weights_and_state_of_its_own_optimizer(recipe: Optimizer) -> None:
    part, models, optimizers = stacked_and_plain(recipe, TURNS, [None] * 3)
    assert part.optimizer is not None
    for lane, (one, optimizer) in enumerate(zip(models, optimizers, strict=True)):
        torch.testing.assert_close(part.weights(lane), one.state_dict(), **CLOSE)
        stacked, own = part.optimizer.state_dict(lane), optimizer.state_dict()
        torch.testing.assert_close(stacked["state"], own["state"], **CLOSE)
        assert stacked["param_groups"] == own["param_groups"]


@pytest.mark.parametrize("recipe", OPTIMIZERS, ids=str)
def test_kept_states_continue_in_each_lane(recipe: Optimizer) -> None:
    """Lane 1 is new; lanes 0 and 2 continue states of other numbers of steps."""
    _, _, before = stacked_and_plain(recipe, [(0, 2), (2,)], [None] * 3)
    saved = [before[0].state_dict(), None, before[2].state_dict()]
    part, models, optimizers = stacked_and_plain(recipe, TURNS, saved)
    assert part.optimizer is not None
    for lane, (one, optimizer) in enumerate(zip(models, optimizers, strict=True)):
        torch.testing.assert_close(part.weights(lane), one.state_dict(), **CLOSE)
        stacked, own = part.optimizer.state_dict(lane), optimizer.state_dict()
        torch.testing.assert_close(stacked["state"], own["state"], **CLOSE)
        assert stacked["param_groups"] == own["param_groups"]


def test_lanes_that_are_not_neighbours_are_written_back() -> None:
    stacked = torch.arange(6.0).view(3, 2)
    for numbers in ([0, 1], [0, 2], [1]):
        lanes = Lanes(numbers)
        values = lanes.take(stacked)
        before = values.clone()
        values += 10
        lanes.put(stacked, values)
        assert torch.equal(stacked[list(numbers)], before + 10)
    with pytest.raises(AssertionError, match="ascending"):
        Lanes([1, 0])

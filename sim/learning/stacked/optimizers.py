"""SGD and Adam for all lanes of a stack at once: the arithmetic of torch.optim on stacked tensors.

Every rule is elementwise, so a lane has the values that its own optimizer would have, up to rounding.
State dicts are those of torch.optim, one per lane: kept states pass between executors.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.sim.learning.recipe import Optimizer
from cutlayer.sim.learning.replica import make_optimizer
from cutlayer.sim.learning.stacked.lanes import Lanes, rows

BETAS = (0.9, 0.999)  # torch's defaults for Adam
EPSILON = 1e-8
SGD_MOMENTS = ("momentum_buffer",)
ADAM_MOMENTS = ("exp_avg", "exp_avg_sq")


class StackedOptimizer:
    """The optimizers of a part, one per lane, with learning rates `lrs`.

    `parameters` are those of the module that are not `frozen`. `saved` has each lane's state dict, None
    for a new one. A parameter's step count grows only when it
    has a gradient, as in torch.
    """

    def __init__(
        self,
        module: nn.Module,
        recipe: Optimizer,
        parameters: Mapping[str, Tensor],
        lrs: Sequence[float],
        saved: Sequence[Mapping[str, Any] | None],
        frozen: Collection[str] = (),
    ) -> None:
        self._module = module
        self._frozen = frozen
        self._recipe = recipe
        self._parameters = parameters
        self._lrs = lrs
        adam = recipe.name == "adam"
        self._moments = ADAM_MOMENTS if adam else SGD_MOMENTS if recipe.momentum else ()
        self._steps = {name: [0] * len(lrs) for name in parameters}
        self._values: dict[tuple[str, str], Tensor] = {}  # by parameter and moment, [lanes, ...]
        for lane, state in enumerate(saved):
            if state is not None:
                self._load(lane, state["state"])

    def step(self, lanes: Lanes, gradients: Mapping[str, Tensor]) -> None:
        """Update some lanes of the parameters that have gradients [lanes, ...], in place."""
        with torch.no_grad():
            for name, gradient in gradients.items():
                weight = lanes.take(self._parameters[name])
                for lane in lanes.numbers:
                    self._steps[name][lane] += 1
                if self._recipe.weight_decay:
                    gradient = gradient.add(weight, alpha=self._recipe.weight_decay)
                if self._recipe.name == "adam":
                    self._adam(lanes, name, weight, gradient)
                else:
                    self._sgd(lanes, name, weight, gradient)
                lanes.put(self._parameters[name], weight)

    def _sgd(self, lanes: Lanes, name: str, weight: Tensor, gradient: Tensor) -> None:
        momentum = self._recipe.momentum
        if momentum:
            stacked = self._value(name, "momentum_buffer")
            buffer = lanes.take(stacked)
            buffer.mul_(momentum).add_(gradient)
            lanes.put(stacked, buffer)
            gradient = gradient.add(buffer, alpha=momentum) if self._recipe.nesterov else buffer
        lr = rows([self._lrs[lane] for lane in lanes.numbers], weight)
        if isinstance(lr, Tensor):
            weight.sub_(gradient * lr)
        else:
            weight.add_(gradient, alpha=-lr)

    def _adam(self, lanes: Lanes, name: str, weight: Tensor, gradient: Tensor) -> None:
        means, squares = (self._value(name, moment) for moment in ADAM_MOMENTS)
        mean, square = lanes.take(means), lanes.take(squares)
        mean.lerp_(gradient, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        lanes.put(means, mean)
        lanes.put(squares, square)
        steps = self._steps[name]
        sizes = [self._lrs[lane] / (1 - BETAS[0] ** steps[lane]) for lane in lanes.numbers]
        scales = [(1 - BETAS[1] ** steps[lane]) ** 0.5 for lane in lanes.numbers]
        divisor = (square.sqrt() / rows(scales, weight)).add_(EPSILON)
        weight.sub_(mean / divisor * rows(sizes, weight))

    def _value(self, name: str, moment: str) -> Tensor:
        if (name, moment) not in self._values:
            self._values[name, moment] = torch.zeros_like(self._parameters[name])
        return self._values[name, moment]

    def _load(self, lane: int, state: Mapping[int, Mapping[str, Any]]) -> None:
        for number, name in enumerate(self._parameters):
            entry = state.get(number)
            if entry is None:
                continue
            for moment in self._moments:
                if entry.get(moment) is not None:
                    self._value(name, moment)[lane] = entry[moment]
            self._steps[name][lane] = int(entry["step"]) if "step" in entry else 1

    def state_dict(self, lane: int) -> dict[str, Any]:
        """Return a lane's state as torch.optim's optimizer of the same name would."""
        plain = make_optimizer(self._module, self._recipe, self._lrs[lane], None, self._frozen)
        assert plain is not None, "a part without parameters has no optimizer"
        state: dict[int, dict[str, Any]] = {}
        for number, name in enumerate(self._parameters):
            steps = self._steps[name][lane]
            if not steps or not self._moments:
                continue
            values = {m: self._value(name, m)[lane].clone() for m in self._moments}
            adam = self._recipe.name == "adam"
            state[number] = {"step": torch.tensor(float(steps)), **values} if adam else values
        return plain.state_dict() | {"state": state}

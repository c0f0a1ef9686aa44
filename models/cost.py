"""What a block costs, taken from the module itself: it runs once on `meta`, and is watched.

Every tensor operation is seen, also one that belongs to no layer object (the addition of a
residual block, a functional call). Not modelled: the optimizer's step, workspace that a kernel
allocates for itself, and the loss.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import exp, log, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.models.catalogue import build
from cutlayer.models.errors import CostError
from cutlayer.models.meta import State, meta_call, meta_state
from cutlayer.models.model import Model
from cutlayer.models.operators import NO_RULES, Rule, arithmetic, is_free

# A prime: no channel count is a multiple of it by accident, so a tensor whose size is has the
# batch among its dimensions. On `meta` the size costs nothing.
_BATCH = 10_007


def module_cost(
    module: nn.Module,
    input_shape: Sequence[int],
    *,
    first: bool,
    name: str = "",
    rules: Mapping[str, Rule] = NO_RULES,
) -> BlockCost:
    """Cost of any module for an input of that shape (per sample).

    `first`: its input is data, so no gradient with respect to it is computed. Parameters that do
    not require a gradient get none. `rules` are for operations that have none in `models.operators`.
    Raises CostError for an operation that cannot be charged.
    """
    state = meta_state(module)
    x = torch.empty(_BATCH, *input_shape, device="meta", requires_grad=not first)
    watch = _Watch(module, state, name, rules)
    kept = [x]

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    try:
        with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor), watch:
            output = meta_call(module, x, state)
    finally:
        watch.close()
    made = {_storage(t): _per_sample_bytes(t) for t in (*kept, output)}
    for outside in (x, *state.values()):
        made.pop(_storage(outside), None)
    parameters = list(module.parameters())
    tensors = module.state_dict()
    buffers = [name for name, _ in module.named_buffers() if name in tensors]
    return BlockCost(
        name=name,
        layers=tuple(watch.layers),
        parameters=sum(parameter.numel() for parameter in parameters),
        parameter_tensors=len(tensors),
        state_bytes=sum(tensor.nbytes for tensor in tensors.values()),
        input_shape=tuple(input_shape),
        output_shape=tuple(output.shape[1:]),
        input_bytes=_per_sample_bytes(x),
        output_bytes=_per_sample_bytes(output),
        saved_activation_bytes=sum(made.values()),
        buffer_bytes=sum(tensors[name].nbytes for name in buffers),
    )


def block_costs(model: Model, detached: int = 0) -> tuple[BlockCost, ...]:
    """Cost of every block of a model, in order.

    Block 0 gets data, and so does block `detached`: the first of a server block from which no
    gradient goes back to the device (local loss, EcoFed).
    """
    return tuple(
        module_cost(
            block,
            model.activation_shape(i),
            first=i in (0, detached),
            name=model.block_names[i],
            rules=model.cost_rules,
        )
        for i, block in enumerate(model.blocks)
    )


@lru_cache(maxsize=64)
def model_cost(
    model_name: str,
    classes: int,
    input_shape: tuple[int, ...] = (3, 32, 32),
    detached: int = 0,
) -> tuple[BlockCost, ...]:
    """Cost of every block of a model of the catalogue (or `package.module:Object`), in order.

    `detached` as in `block_costs`.
    """
    model = build(model_name, classes=classes, input_shape=input_shape, seed=0, device="meta")
    return block_costs(model, detached)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the cost of every operation.

    Each is named after the module in whose forward it runs: a plain layer of torch by its own name,
    anything else by its name and the operation's (`residual3.add`).
    """

    def __init__(
        self, module: nn.Module, state: State, name: str, rules: Mapping[str, Rule]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rules = rules
        self.layers: list[LayerCost] = []
        self._weights = {_storage(tensor) for tensor in state.values()}
        self._uncounted = {
            _storage(state[key]): parameter.numel() for key, parameter in module.named_parameters()
        }
        self._running = [(name, False)]
        self._hooks = []
        for path, part in module.named_modules():
            label = ".".join(filter(None, (name, path)))
            plain = type(part).__module__.startswith("torch.nn.") and not [*part.children()]
            self._hooks.append(part.register_forward_pre_hook(self._entering(label, plain)))
            self._hooks.append(part.register_forward_hook(self._leave))

    def close(self) -> None:
        """Leaves the module as it was."""
        for hook in self._hooks:
            hook.remove()

    def _entering(self, label: str, plain: bool) -> Callable[..., None]:
        return lambda *_: self._running.append((label, plain))

    def _leave(self, *_: object) -> None:
        self._running.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        operation = func._schema.name.rpartition("::")[2]
        output = result[0] if isinstance(result, tuple | list) else result
        if isinstance(output, Tensor) and not is_free(func, operation):
            pointwise = torch.Tag.pointwise in func.tags
            self.layers.append(self._layer(operation, pointwise, args, output))
        return result

    def _layer(
        self, operation: str, pointwise: bool, args: Sequence[Any], output: Tensor
    ) -> LayerCost:
        label, plain = self._running[-1]
        tensors = [t for arg in args for t in (arg if isinstance(arg, list) else [arg])]
        tensors = [t for t in tensors if isinstance(t, Tensor)]
        weights = {_storage(t): t for t in tensors if _storage(t) in self._weights}
        data = [t for t in tensors if _storage(t) not in self._weights]
        try:
            counted = arithmetic(operation, pointwise, args, output, self._rules)
        except CostError as error:
            raise CostError(f"{label or 'module'}: {error}") from None
        own = [self._uncounted.pop(key) for key in weights if key in self._uncounted]
        return LayerCost(
            name=label if plain else ".".join(filter(None, (label, operation.strip("_")))),
            op_class=counted.op_class,
            map_size=_side(data[0]) if data else 1,
            forward_flops=counted.forward_flops // _BATCH,
            backward_flops=counted.backward_flops // _BATCH,
            weight_bytes=sum(weight.nbytes for weight in weights.values()),
            input_bytes=sum(map(_per_sample_bytes, data)),
            output_bytes=_per_sample_bytes(output),
            parameters=sum(own),
            parameter_tensors=len(own),
        )


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _per_sample_bytes(tensor: Tensor) -> int:
    """Bytes per sample; 0 for what does not grow with the batch, as BatchNorm's statistics."""
    return tensor.nbytes // _BATCH if tensor.numel() % _BATCH == 0 else 0


def _side(tensor: Tensor) -> int:
    sides: list[int] = list(tensor.shape[2:])
    return round(exp(log(prod(sides)) / max(1, len(sides))))

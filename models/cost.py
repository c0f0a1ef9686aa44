"""Costs of a block, found by running it once on torch's `meta` device and recording its operations.

Every tensor operation is recorded, including those outside layer objects, such as the addition in a
residual block. Not modelled: the optimizer step, a kernel's own workspace, and the loss.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from cutlayer.models.block_cost import FLOAT_BYTES, BlockCost, LayerCost, Unpriced
from cutlayer.models.catalogue import build
from cutlayer.models.cpu_kernels import cpu_kernels, lstm_workspace_bytes
from cutlayer.models.errors import CostError
from cutlayer.models.meta import State, meta_call, meta_outputs, meta_state
from cutlayer.models.model import Model, exit_of
from cutlayer.models.operators import (
    KIND_OF,
    NO_RULES,
    Arithmetic,
    Operation,
    Rule,
    arithmetic,
    is_free,
    rows_bytes,
    table_bytes,
)
from cutlayer.models.tuning.frozen import NOTHING_FROZEN, Frozen, frozen_in

# A large prime, so that a tensor whose size is a multiple of it has the batch among its dimensions.
# On `meta` the size costs nothing.
_BATCH = 10_007


def module_cost(
    module: nn.Module,
    input_shape: Sequence[int],
    *,
    first: bool,
    name: str = "",
    rules: Mapping[str, Rule] = NO_RULES,
    dtype: torch.dtype = torch.float32,
    unpriced: Unpriced = "error",
    frozen: Frozen = NOTHING_FROZEN,
    saves_output: bool = True,
) -> BlockCost:
    """Return the cost of any module for an input of this shape (per sample) and type.

    With `first`, the input is data and needs no gradient. Parameters that do not require a gradient get
    none. `frozen` are the tensors that are not trained. Without `saves_output`, an output that needs no
    gradient is not counted among the saved activations. `rules` cover operations that have no rule in
    `models.operators`. An operation without any rule raises CostError or, if `unpriced` is `bytes`,
    costs the bytes that it moves.
    """
    state = meta_state(module)
    x = torch.empty(_BATCH, *input_shape, device="meta", dtype=dtype, requires_grad=not first)
    recorder = _Recorder(module, state, name, rules, unpriced)
    saved = [x]

    def save(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    hooks = saved_tensors_hooks(save, lambda tensor: tensor)
    with torch.enable_grad(), cpu_kernels(), hooks, recorder:
        outputs = _outputs(module, x, state)
    if saves_output or any(output.requires_grad for output in outputs):
        saved += outputs
    held = {_storage(t): _stored_bytes(t) for t in saved}
    for outside in (x, *state.values()):
        held.pop(_storage(outside), None)
    pack = exit_of(module)
    parameters = list(module.parameters())
    tensors = module.state_dict()
    buffers = [name for name, _ in module.named_buffers() if name in tensors]
    kept = {key: frozen.bytes_of(tensor) for key, tensor in tensors.items() if key in frozen.keys}
    sizes = {key: tensor.nbytes for key, tensor in tensors.items()} | kept
    return BlockCost(
        name=name,
        layers=tuple(recorder.layers),
        parameters=sum(parameter.numel() for parameter in parameters),
        parameter_tensors=len(tensors),
        state_bytes=sum(sizes.values()),
        input_shape=tuple(input_shape),
        output_shape=tuple(outputs[0].shape[1:]) if pack is None else tuple(pack.shape),
        input_bytes=_per_sample_bytes(x),
        output_bytes=(
            _per_sample_bytes(outputs[0]) if pack is None else prod(pack.shape) * FLOAT_BYTES
        ),
        saved_activation_bytes=sum(held.values()),
        buffer_bytes=sum(sizes[name] for name in buffers),
        unpriced=tuple(recorder.unpriced),
        frozen_parameters=sum(
            parameter.numel() for key, parameter in module.named_parameters() if key in kept
        ),
        frozen_tensors=len(kept),
        frozen_bytes=sum(kept.values()),
        frozen_buffer_bytes=sum(kept.get(name, 0) for name in buffers),
    )


def _outputs(module: nn.Module, x: Tensor, state: State) -> tuple[Tensor, ...]:
    """Return what a module returns: a tensor, or several in a traced block."""
    if not hasattr(module, "exit"):
        return (meta_call(module, x, state),)
    found = meta_outputs(module, x, state)
    return found if isinstance(found, tuple) else (found,)


def block_costs(
    model: Model, detached: int = 0, unpriced: Unpriced = "error"
) -> tuple[BlockCost, ...]:
    """Return the cost of every block of a model, in order; `unpriced` as in `module_cost`.

    The inputs of block 0 and of block `detached` need no gradient, nor do those of a block if nothing is
    trained between one of these and it. `detached` is the first block on a server that sends no gradient
    back to the device (local loss, EcoFed).
    """
    trained = [any(p.requires_grad for p in block.parameters()) for block in model.blocks]
    starts = [detached if i >= detached else 0 for i in range(len(model))]
    return tuple(
        module_cost(
            block,
            model.activation_shape(i),
            first=not any(trained[starts[i] : i]),
            name=model.block_names[i],
            rules=model.cost_rules,
            dtype=torch.float32 if i else model.input_dtype,
            unpriced=unpriced,
            frozen=frozen_in(model, i),
            saves_output=i + 1 < len(model) and trained[i + 1],
        )
        for i, block in enumerate(model.blocks)
    )


def model_cost(
    model_name: str,
    classes: int,
    input_shape: tuple[int, ...] = (3, 32, 32),
    detached: int = 0,
    unpriced: Unpriced = "error",
) -> tuple[BlockCost, ...]:
    """Return the cost of every block of a model by name, in order; the rest as in `block_costs`."""
    model = build(model_name, classes=classes, input_shape=input_shape, seed=0, device="meta")
    return block_costs(model, detached, unpriced)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the cost of every operation.

    An operation is named after the module whose forward pass runs it: the name alone for one of torch's
    own layers, otherwise the name and the operation (`residual3.add`).
    """

    def __init__(
        self,
        module: nn.Module,
        state: State,
        name: str,
        rules: Mapping[str, Rule],
        unpriced: Unpriced,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rules, self._unpriced = rules, unpriced
        self.unpriced: dict[str, None] = {}  # operations priced by their bytes, in order
        self.layers: list[LayerCost] = []
        self._weights = {_storage(tensor) for tensor in state.values()}
        self._uncounted = {
            _storage(state[key]): parameter.numel()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self._running = [(name, False)]
        self._hooks = []
        for path, part in module.named_modules():
            full = path if hasattr(module, "exit") else ""  # a traced block has full names
            label = full or ".".join(filter(None, (name, path)))
            plain = type(part).__module__.startswith("torch.nn.") and not [*part.children()]
            self._hooks.append(part.register_forward_pre_hook(self._entering(label, plain)))
            self._hooks.append(part.register_forward_hook(self._leave))

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def _entering(self, label: str, plain: bool) -> Callable[..., None]:
        return lambda *_: self._running.append((label, plain))

    def _leave(self, *_: object) -> None:
        self._running.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.mkldnn_rnn_layer.default:  # on `meta`, its workspace is empty
            steps, batch, hidden = result[0].shape
            workspace = lstm_workspace_bytes(steps, batch, hidden)
            result = (*result[:3], result[3].new_empty(workspace))
        outputs = result if isinstance(result, tuple | list) else [result]
        outputs = [output for output in outputs if isinstance(output, Tensor)]
        if outputs:
            call = Operation(func, args, kwargs or {}, outputs[0])
            if not is_free(func, call.name):
                self.layers.append(self._layer(call, outputs))
        return result

    def _layer(self, call: Operation, outputs: Sequence[Tensor]) -> LayerCost:
        label, plain = self._running[-1]
        operation, args, output = call.name, call.args, call.output
        tensors = call.tensors
        weights = {_storage(t): t for t in tensors if _storage(t) in self._weights}
        data = [t for t in tensors if _storage(t) not in self._weights]
        input_bytes, output_bytes = sum(map(_per_sample_bytes, data)), _per_sample_bytes(output)
        try:
            counted = arithmetic(call, self._rules)
        except CostError as error:
            if self._unpriced == "error":
                raise CostError(f"{label or 'module'}: {error}") from None
            output_bytes = sum(map(_per_sample_bytes, outputs))
            moved = _BATCH * (input_bytes + output_bytes) // FLOAT_BYTES
            needed = any(t.requires_grad for t in tensors)
            counted = Arithmetic("elementwise", moved, moved * needed)
            self.unpriced[operation] = None
        looks_up = KIND_OF.get(operation) in ("lookup", "bag")
        if looks_up:  # reads the rows of its indices
            rows = rows_bytes(args)
            input_bytes += 0 if rows % _BATCH else rows // _BATCH
        own = [self._uncounted.pop(key) for key in weights if key in self._uncounted]
        return LayerCost(
            name=label if plain else ".".join(filter(None, (label, operation.strip("_")))),
            op_class=counted.op_class,
            forward_flops=counted.forward_flops // _BATCH,
            backward_flops=counted.backward_flops // _BATCH,
            weight_bytes=0 if looks_up else sum(map(_own_bytes, weights.values())),
            input_bytes=input_bytes,
            output_bytes=output_bytes,
            parameters=sum(own),
            parameter_tensors=len(own),
            column_bytes=counted.column_bytes // _BATCH,
            table_bytes=table_bytes(operation, args) if looks_up else 0,
        )


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _own_bytes(tensor: Tensor) -> int:
    """Return the bytes of a weight, of which an expanded view has no more than the weight itself."""
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())


def _per_sample_bytes(tensor: Tensor) -> int:
    """Return bytes per sample; 0 if they do not grow with the batch, such as BatchNorm's statistics."""
    return tensor.nbytes // _BATCH if tensor.numel() % _BATCH == 0 else 0


def _stored_bytes(tensor: Tensor) -> int:
    """Return bytes per sample of the storage behind a tensor, which may be a view of a part of it."""
    stored = tensor.untyped_storage().nbytes()
    return stored // _BATCH if stored % _BATCH == 0 else 0

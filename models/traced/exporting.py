"""Graphs by torch.export, for forward passes that cannot be recorded with proxies.

torch.export calls Python code with tensors that know only their shape, so that the code may check types
and call what is written in C. It records torch's basic operations; those of a plain layer become a call
of the layer again (`layers`).
"""

import operator
import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

from cutlayer.models.draws import borrowed_generators, seed_generators
from cutlayer.models.traced.failures import TracingError, explained
from cutlayer.models.traced.layers import call_layers
from cutlayer.models.traced.operations import has_effect
from cutlayer.models.traced.proxies import VALUE
from cutlayer.models.traced.tracing import DRAWS, generator_states

_BATCH: Final = 3
_MOST: Final = 4096  # numbers in a tensor of constants


def exported(module: nn.Module, example: Tensor) -> dict[bool, fx.Graph]:
    """Return the graphs of a module on `meta` in training and in evaluation. Raises TracingError."""
    try:
        real = deepcopy(module).to_empty(device="cpu")  # memory that is never touched
        inputs = torch.zeros(_BATCH, *example.shape[1:], dtype=example.dtype)
        return {mode: _exported(real.train(mode), inputs) for mode in (True, False)}
    except TracingError:
        raise
    except Exception as error:  # a user's forward pass may raise anything, and so does torch.export
        raise TracingError(explained(error)) from error


def _exported(module: nn.Module, inputs: Tensor) -> fx.Graph:
    from torch.export import Dim, export

    sizes = ({0: Dim("batch", min=2)},)
    with borrowed_generators(), torch.enable_grad():
        seed_generators(0)
        before = generator_states()
        program = export(module, (inputs,), dynamic_shapes=sizes, strict=False)
        if generator_states() != before:
            raise TracingError(DRAWS)
    graph = _Writer(program).graph
    call_layers(graph, module)
    return graph


class _Writer:
    """Writes an exported program as a graph of a module, with its own names of tensors."""

    def __init__(self, program: Any) -> None:
        self.graph = fx.Graph()
        self._inputs = self.graph.placeholder("inputs")
        self._inputs.meta[VALUE] = torch.empty(0)
        self._device = self.graph.call_function(getattr, (self._inputs, "device"))
        known = {
            node: self._source(spec, program)
            for node, spec in zip(
                (node for node in program.graph.nodes if node.op == "placeholder"),
                program.graph_signature.input_specs,
                strict=True,
            )
        }
        outputs = self._written(program.graph_module, known, grad=True)
        results = []
        for value, spec in zip(outputs, program.graph_signature.output_specs, strict=True):
            if spec.kind.name == "USER_OUTPUT":
                results.append(value)
            else:  # older versions return changed buffers
                buffer = self.graph.get_attr(spec.target)
                self.graph.call_function(torch.ops.aten.copy_.default, (buffer, value))
        if len(results) != 1:
            raise TracingError(f"it returns {len(results)} tensors, expected one")
        self.graph.output(results[0])

    def _source(self, spec: Any, program: Any) -> fx.Node:
        match spec.kind.name:
            case "USER_INPUT":
                return self._inputs
            case "PARAMETER" | "BUFFER":
                return self.graph.create_node("get_attr", spec.target)
            case "CONSTANT_TENSOR":
                value = program.constants[spec.target]
                if value.numel() > _MOST:
                    raise TracingError(
                        "it computes with a tensor that is not a parameter or buffer"
                    )
                options = {"dtype": value.dtype, "device": self._device}
                return self.graph.call_function(torch.tensor, (value.tolist(),), options)
        raise TracingError(f"it needs an object ({spec.kind.name}) beside its tensors")

    def _written(
        self, source: fx.GraphModule, known: dict[fx.Node, Any], grad: bool
    ) -> Sequence[Any]:
        """Copy the operations of a graph, and return its outputs."""
        for node in source.graph.nodes:
            if node.op == "output":
                outputs: Sequence[Any] = fx.map_arg(node.args[0], known.__getitem__)
                return outputs
            if node.op == "get_attr":
                known[node] = getattr(source, str(node.target))
            elif isinstance(node.target, torch._ops.HigherOrderOperator):
                known[node] = self._inlined(node, known, grad)
            elif node.op == "call_function" and not _checks(node.target):
                known[node] = self._copied(node, known, grad)
        raise AssertionError("a graph has an output")

    def _inlined(self, node: Any, known: dict[fx.Node, Any], grad: bool) -> Any:
        """Copy the operations under `torch.no_grad` or a disabled `autocast`."""
        name = node.target.name()
        args: Any = fx.map_arg(node.args, known.__getitem__)
        position = next(n for n, arg in enumerate(args) if isinstance(arg, fx.GraphModule))
        body, operands = args[position], args[position + 1 :]
        if name == "wrap_with_set_grad_enabled":
            grad = grad and bool(args[0])
        elif name != "wrap_with_autocast" or args[2]:
            raise TracingError(f"it uses {name}")
        inner = [other for other in body.graph.nodes if other.op == "placeholder"]
        return self._written(body, dict(zip(inner, operands, strict=True)), grad)

    def _copied(self, node: Any, known: dict[fx.Node, Any], grad: bool) -> Any:
        args, kwargs = (
            self._on_device(fx.map_arg(part, known.__getitem__))
            for part in (node.args, node.kwargs)
        )
        if node.target is operator.getitem and isinstance(args[0], tuple | list):
            return args[0][args[1]]  # of what was copied from another graph
        if free_unbacked_symbols(node.meta.get("val")):
            raise TracingError("the size of a tensor depends on the values of another")
        made = self.graph.call_function(node.target, tuple(args), kwargs)
        made.meta[VALUE] = node.meta.get("val")
        made.meta["nn_module_stack"] = {
            key: (re.sub(r"@\d+", "", path), kind)
            for key, (path, kind) in node.meta.get("nn_module_stack", {}).items()
            if not key.startswith("_empty")  # a mark of torch's own
        }
        if grad or not isinstance(node.meta.get("val"), Tensor):
            return made
        if has_effect(made):
            if any(source.op != "get_attr" for source in made.all_input_nodes[:1]):
                raise TracingError("it changes a tensor in place without gradients")
            return made
        detached = self.graph.call_method("detach", (made,))
        detached.meta = dict(made.meta)
        return detached

    def _on_device(self, value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(self._on_device(item) for item in value)
        if isinstance(value, dict):
            return {key: self._on_device(item) for key, item in value.items()}
        return self._device if isinstance(value, torch.device) else value


def _checks(target: Any) -> bool:
    """Return whether an operation only checks what is known of sizes and types."""
    return getattr(target, "__name__", "").startswith(("_assert", "sym_constrain_range"))

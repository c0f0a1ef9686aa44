"""Trace the forward pass of a module as a graph of operations and of calls of torch's own layers.

A submodule whose own Python code cannot be traced (it decides by the values of tensors, or draws from
`random`) becomes a single operation, as do all of its type. The module is on the `meta` device.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx, nn

from cutlayer.models.draws import borrowed_generators, seed_generators
from cutlayer.models.traced.failures import TracingError, Untraceable, ValuesUnknown, explained
from cutlayer.models.traced.operations import compute, has_effect
from cutlayer.models.traced.proxies import VALUE, ValueProxy
from cutlayer.models.tuning.lora import Adapter

# Layers of torch that consist of layers worth cutting between.
CONTAINERS: Final = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.TransformerEncoder)

# Functions that make tensors. They are traced, so that a graph makes its own tensors.
_FACTORIES: Final = (
    *("arange", "as_tensor", "empty", "eye", "full", "linspace", "ones", "tensor", "zeros"),
    *("rand", "randint", "randn", "randperm", "normal", "tril_indices", "triu_indices"),
)


def trace(
    module: nn.Module, example: Tensor
) -> tuple[dict[bool, fx.Graph], dict[type[nn.Module], str]]:
    """Return the graphs of a module in training and in evaluation, and the types left whole.

    The latter have the reason with them. Raises Untraceable for the module itself.
    """
    whole: dict[type[nn.Module], str] = {}
    while True:
        try:
            graphs = {mode: _graph(module.train(mode), example, whole) for mode in (True, False)}
        except Untraceable as found:
            if found.path == "" or found.kind in whole:
                raise
            whole[found.kind] = found.reason
        else:
            return graphs, whole


def _graph(module: nn.Module, example: Tensor, whole: Mapping[type[nn.Module], str]) -> fx.Graph:
    tracer = _Tracer(example, whole)
    with (
        borrowed_generators(),
        torch.enable_grad(),
        torch.device("meta"),
        ValuesUnknown(),
        _factories_traced(tracer),
    ):
        seed_generators(0)
        before = generator_states()
        try:
            graph = tracer.trace(module)
        except Untraceable:
            raise
        except Exception as error:  # a user's forward pass may raise anything
            raise Untraceable("", type(module), explained(error)) from error
        if generator_states() != before:
            raise Untraceable("", type(module), DRAWS)
    return graph


DRAWS: Final = "it draws from a generator of Python, numpy or the CPU while it decides what to do"


class _Tracer(fx.Tracer):
    """Records operations, and computes the value of each on the `meta` device."""

    proxy_buffer_attributes = True

    def __init__(self, example: Tensor, whole: Mapping[type[nn.Module], str]) -> None:
        super().__init__()
        self._example = example
        self._whole = whole
        self.computing = False

    def proxy(self, node: fx.Node) -> ValueProxy:
        """Return the proxy of a node."""
        return ValueProxy(node, self)

    def create_proxy(self, kind: str, target: Any, *rest: Any, **named: Any) -> Any:
        """Return the proxy of a new node, detached if its operation runs without gradients."""
        made = super().create_proxy(kind, target, *rest, **named)
        if torch.is_grad_enabled() or self.computing or not kind.startswith("call"):
            return made
        assert isinstance(made, ValueProxy)
        return self._detached(made)

    def _detached(self, made: ValueProxy) -> Any:
        value = made.node.meta[VALUE]
        if has_effect(made.node) and made.node.op != "call_module":
            raise TracingError("it changes a tensor in place without gradients")
        if isinstance(value, Tensor):
            return super().create_proxy("call_method", "detach", (made,), {})
        if isinstance(value, tuple | list) and any(isinstance(item, Tensor) for item in value):
            return tuple(self._detached(item) for item in made)
        return made

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """Return the forward pass and its arguments: the module and one input."""
        del is_module, concrete_args
        return root_fn, [self.root, self.create_proxy("placeholder", "inputs", (), {})]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is a single operation."""
        if isinstance(m, CONTAINERS) and type(m).__module__.startswith("torch.nn"):
            return type(m) in self._whole
        known = isinstance(m, Adapter) or type(m) in self._whole
        return known or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Trace the call of a submodule. Raises Untraceable, for the innermost one that fails."""
        if self.computing:
            return forward(*args, **kwargs)
        if m not in (self.submodule_paths or ()):  # made while the model runs, as in `nn.ReLU()(x)`
            if any(True for _ in m.state_dict()):
                raise TracingError(f"it calls a {type(m).__name__} that is not a submodule")
            return forward(*args, **kwargs)
        path, before = self.path_of_module(m), generator_states()
        try:
            result = super().call_module(m, forward, args, kwargs)
        except Untraceable as found:
            if found.kind in self._whole:  # even as one operation: its parent must be one
                raise Untraceable(path, type(m), self._whole[found.kind]) from None
            raise
        except Exception as error:  # a user's forward pass may raise anything
            raise Untraceable(path, type(m), explained(error)) from error
        if generator_states() != before:
            raise Untraceable(path, type(m), DRAWS)
        return result

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
        """Return the proxy of a parameter or buffer, or another attribute itself."""
        if self.computing:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_arg(self, a: Any) -> Any:
        """Return an argument for a node. Raises TracingError for a tensor that the module lacks."""
        if isinstance(a, Tensor) and not isinstance(a, nn.Parameter):
            known = any(a is buffer for buffer in self.root.buffers())
            if not known and a not in self.tensor_attrs:
                raise TracingError("it computes with a tensor that is not a parameter or buffer")
        return super().create_arg(a)

    def create_node(
        self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **named: Any
    ) -> fx.Node:
        """Return a node that knows its value."""
        node = super().create_node(kind, target, args, kwargs, *more, **named)
        if kind != "output":
            self.computing = True
            try:
                with ValuesUnknown():
                    node.meta[VALUE] = compute(
                        node, self.root, lambda source: source.meta[VALUE], self._example
                    )
            finally:
                self.computing = False
        return node


@contextmanager
def _factories_traced(tracer: _Tracer) -> Iterator[None]:
    originals = {name: getattr(torch, name) for name in _FACTORIES}

    def traced(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def make(*args: Any, **kwargs: Any) -> Any:
            if tracer.computing:
                return original(*args, **kwargs)
            return tracer.create_proxy("call_function", original, args, kwargs)

        return make

    try:
        for name, original in originals.items():
            setattr(torch, name, traced(original))
        yield
    finally:
        for name, original in originals.items():
            setattr(torch, name, original)


def generator_states() -> tuple[Any, ...]:
    """Return the states of the generators from which code may draw while it is traced."""
    of_numpy = np.random.get_state()  # noqa: NPY002 - users' modules draw from the global generator
    of_torch = torch.default_generator.get_state()
    return random.getstate(), of_numpy[1].tobytes(), of_numpy[2], bytes(of_torch.tolist())  # type: ignore[index]

"""Proxies for traced values that know their value on the `meta` device.

Python code that asks for a shape, or decides by one, gets an answer if the batch size does not change
it: loops over tokens and checks of shapes are traced. The values of a tensor are unknown.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final

from torch import Tensor, fx
from torch.fx.proxy import Attribute

from cutlayer.models.traced.failures import TracingError, ValuesNeededError

BATCH: Final = (
    10_007  # of traced inputs: a large prime, whose multiples are sizes with the batch in them
)
OTHER_BATCHES: Final = (10_009, 1)  # what Python code decides must be the same for these

VALUE: Final = "value"  # the key of a node's value in its `meta`


class ValueProxy(fx.Proxy):
    """A value of the traced forward pass."""

    node: fx.Node
    tracer: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.node.meta[VALUE], name)
        if callable(found):
            return Attribute(self, name)
        return self.tracer.create_proxy("call_function", getattr, (self, name), {})

    def __bool__(self) -> bool:
        return bool(self._answer(bool))

    def __index__(self) -> int:
        return int(self._answer(operator.index))

    def __int__(self) -> int:
        return int(self._answer(int))

    def __float__(self) -> float:
        return float(self._answer(float))

    def __len__(self) -> int:
        value = self.node.meta[VALUE]
        if isinstance(value, Tensor):
            return int(self.shape[0])
        return int(self._answer(len))

    def __iter__(self) -> Iterator[Any]:
        value = self.node.meta[VALUE]
        if isinstance(value, Tensor):
            return iter(self.unbind(0)) if self.shape[0] != 0 else iter(())
        return iter(
            [
                self.tracer.create_proxy("call_function", operator.getitem, (self, position), {})
                for position in range(len(value))
            ]
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def _answer(self, question: Callable[[Any], Any]) -> Any:
        """Return what Python is told about a value that is not a tensor. Raises TracingError."""
        if isinstance(self.node.meta[VALUE], Tensor):
            raise ValuesNeededError("its Python code depends on the values of a tensor")
        answer = question(self.node.meta[VALUE])
        for batch in OTHER_BATCHES:
            if question(_value_at(self.node, batch)) != answer:
                raise TracingError("its Python code depends on the batch size")
        return answer


def _in_place(function: Callable[..., Any]) -> Callable[[ValueProxy, Any], Any]:
    def apply(self: ValueProxy, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return apply


# Without these, `x += y` would be traced as `x = x + y`, which differs where x has another name too.
for _name in ("iadd", "isub", "imul", "itruediv"):
    setattr(ValueProxy, f"__{_name}__", _in_place(getattr(operator, _name)))


def _value_at(node: fx.Node, batch: int) -> Any:
    """Return the value that a node without a tensor would have with another batch size."""
    value = node.meta[VALUE]
    inputs = node.all_input_nodes
    if any(isinstance(source.meta[VALUE], Tensor) for source in inputs) or not inputs:
        return scaled(value, batch)
    arguments = fx.map_arg(node.args, lambda source: _value_at(source, batch))
    named = fx.map_arg(node.kwargs, lambda source: _value_at(source, batch))
    if node.op == "call_method":
        return getattr(arguments[0], str(node.target))(*arguments[1:], **named)
    if callable(node.target):
        return node.target(*arguments, **named)
    return value


def scaled(value: Any, batch: int) -> Any:
    """Return sizes of a tensor as they are with another batch size."""
    if isinstance(value, tuple | list):
        return tuple(scaled(item, batch) for item in value)
    if isinstance(value, int) and not isinstance(value, bool) and value and value % BATCH == 0:
        return value // BATCH * batch
    return value

"""Operations that are imported only when they run.

A method issues operations even if no tensors are trained, but their functions need torch, which takes
longer to import than most rounds take to simulate. Without tensors it is never imported.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cutlayer.sim.learning import activation_buffer as activation_buffer
    from cutlayer.sim.learning import activation_pool as activation_pool
    from cutlayer.sim.learning import activation_steps as activation_steps
    from cutlayer.sim.learning import auxiliary as auxiliary
    from cutlayer.sim.learning import distillation as distillation
    from cutlayer.sim.learning import joint_steps as joint_steps
    from cutlayer.sim.learning import operations as operations
    from cutlayer.sim.learning.chain import Operation
    from cutlayer.sim.learning.codecs import codec_operations as codec_operations

_DRAW_NOTHING: Final = frozenset(
    {
        "cutlayer.sim.learning.activation_pool",
        "cutlayer.sim.learning.auxiliary",
        "cutlayer.sim.learning.activation_steps",
        "cutlayer.sim.learning.distillation",
        "cutlayer.sim.learning.joint_steps",
        "cutlayer.sim.learning.operations",
    }
)


class DeferredOperations:
    """A stand-in for a module of operations, which is imported when one of them is called."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> "_Deferred":
        return _Deferred(self._module, name)


class _Deferred:
    """One operation of a module that may not be imported yet.

    The class name is the name of a random stream (`ChainRun.execute`): renaming it changes numbers.
    """

    __slots__ = ("_module", "_name")

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    @property
    def draws_nothing(self) -> bool:
        """Whether only the modules that it calls may draw random numbers."""
        return self._module in _DRAW_NOTHING

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    @property
    def function(self) -> "Operation":
        """The function, whose module is imported."""
        function: Operation = getattr(import_module(self._module), self._name)
        return function


def function_of(operation: "Operation") -> "Operation":
    """Return the function of an operation, imported if it is deferred."""
    return operation.function if isinstance(operation, _Deferred) else operation


def operation_name(operation: Callable[..., Any]) -> str:
    """Return the name of an operation: a function of a module, deferred or not."""
    if isinstance(operation, _Deferred):
        return f"deferred {operation._module}:{operation._name}"
    return f"{operation.__module__}:{operation.__qualname__}"


def operation_named(name: str) -> Callable[..., Any]:
    """Return the operation of a name. Raises ValueError for a name of the standard library."""
    deferred, _, name = name.rpartition(" ")
    module, _, path = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise ValueError(f"{name} is not an operation")
    if deferred:
        return _Deferred(module, path)
    found: Callable[..., Any] = attrgetter(path)(import_module(module))
    return found


if not TYPE_CHECKING:
    activation_buffer = DeferredOperations("cutlayer.sim.learning.activation_buffer")
    activation_pool = DeferredOperations("cutlayer.sim.learning.activation_pool")
    auxiliary = DeferredOperations("cutlayer.sim.learning.auxiliary")
    activation_steps = DeferredOperations("cutlayer.sim.learning.activation_steps")
    codec_operations = DeferredOperations("cutlayer.sim.learning.codecs.codec_operations")
    distillation = DeferredOperations("cutlayer.sim.learning.distillation")
    joint_steps = DeferredOperations("cutlayer.sim.learning.joint_steps")
    operations = DeferredOperations("cutlayer.sim.learning.operations")

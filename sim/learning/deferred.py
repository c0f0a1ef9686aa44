"""Operations that are imported when the first of them runs.

A method issues operations whether tensors are trained or not, and the functions behind them need torch.
Without tensors none of them runs, and torch, which takes longer to import than most rounds to play,
stays out.
"""

from importlib import import_module
from typing import Any


class DeferredOperations:
    """Stands for a module of operations: its attributes are operations, found when they are called."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> "_Deferred":
        return _Deferred(self._module, name)


class _Deferred:
    """One operation of a module that may not be imported yet."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        return getattr(import_module(self._module), self._name)(*arguments)

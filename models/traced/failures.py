"""Why a forward pass cannot be traced."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

LONGEST_LAYER: Final = 120  # letters of a layer in a message
_TORCH: Final = str(Path(torch.__file__).parent)
_HERE: Final = str(Path(__file__).parents[2])  # the package
_OF_VALUES: Final = frozenset(  # they return values of tensors to Python
    {
        *("__bool__", "__contains__", "__complex__", "__float__", "__index__", "__int__"),
        *("allclose", "equal", "is_nonzero", "item", "numpy", "tolist"),
    }
)
_OF_SIZES: Final = frozenset(  # the sizes of their results depend on values
    {"argwhere", "masked_select", "nonzero", "unique", "unique_consecutive"}
)


class TracingError(Exception):
    """A forward pass that cannot be traced."""


class ValuesNeededError(TracingError):
    """A forward pass that depends on the values of a tensor."""


class Untraceable(Exception):  # noqa: N818 - a finding, which leads to another attempt
    """A submodule whose forward pass cannot be traced, and why."""

    def __init__(self, path: str, kind: type[nn.Module], reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.kind, self.reason = path, kind, reason


class ValuesUnknown(TorchFunctionMode):
    """Raises ValuesNeededError where Python code asks for the values of a tensor on `meta`."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.is_meta:
            name = getattr(func, "__name__", "")
            if name in _OF_VALUES:
                raise ValuesNeededError("its Python code depends on the values of a tensor")
            if name in _OF_SIZES or (name == "__getitem__" and _selects(args[1])):
                raise ValuesNeededError("the size of a tensor depends on the values of another")
        return func(*args, **(kwargs or {}))


def _selects(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return any(isinstance(item, Tensor) and item.dtype == torch.bool for item in items)


def explained(error: BaseException) -> str:
    """Return the first line of an error, and the line of the user's code that raised it."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not isinstance(error, TracingError):
        reason = f"{type(error).__name__}: {reason}"
    return f"{reason}{_where(error.__traceback__)}"


def failed_submodule(root: nn.Module, error: BaseException) -> str:
    """Return `, in submodule NAME: LAYER` for the layer whose forward pass raised the error, or ""."""
    frames = walk_tb(error.__traceback__)
    called = [frame.f_locals.get("self") for frame, _ in frames]
    inner = next((one for one in reversed(called) if isinstance(one, nn.Module)), None)
    name = next((name for name, module in root.named_modules() if module is inner), "")
    layer = str(inner).splitlines()[0]
    return f", in submodule {name}: {layer}" if name and len(layer) <= LONGEST_LAYER else ""


def _where(found: TracebackType | None) -> str:
    own = [
        frame
        for frame in traceback.extract_tb(found)
        if not frame.filename.startswith((_TORCH, _HERE, "<"))
    ]
    return f", {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""

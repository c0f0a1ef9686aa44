"""A device of torch that does not exist, for tests of where tensors are: its tensors are CPU tensors.

In the context `watched`, an operation on tensors of different devices fails as it does on a GPU, and the
operations of a training fail on the CPU.
"""

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

from cutlayer.models.model import Model
from cutlayer.sim.learning import workspace

OTHER = torch.device("lazy", 0)  # a name that torch knows, without a backend in this build
COPIES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
COMPUTES = (
    *("convolution", "convolution_backward", "addmm", "mm", "bmm", "nll_loss_forward"),
    *("native_batch_norm", "native_batch_norm_backward", "max_pool2d_with_indices"),
    *("_log_softmax", "threshold_backward"),
)


class WrongDeviceError(AssertionError):
    """An operation on the CPU, or on tensors of several devices."""


class OnOther(Tensor):
    """A tensor that says that it is on `OTHER`; `inner` has its values."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnOther":
        tensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=OTHER,
        )
        tensor.inner = inner
        return tensor  # type: ignore[no-any-return]

    def __init__(self, inner: Tensor) -> None:
        pass

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(func, args, kwargs or {})


def dispatched(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation of torch on the values, and wrap its results."""
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    other = any(isinstance(value, OnOther) for value in tensors)
    if other and func not in COPIES:
        for value in tensors:
            if not isinstance(value, OnOther) and value.dim() > 0:
                raise WrongDeviceError(f"{func} gets tensors of two devices")
    wraps = other
    if "device" in kwargs and kwargs["device"] is not None:
        wraps = torch.device(kwargs["device"]).type == OTHER.type
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif func is torch.ops.aten._to_copy.default or func is torch.ops.aten.copy_.default:
        wraps = isinstance(args[0], OnOther)
    on_cpu = any(value.device.type == "cpu" for value in tensors)
    if on_cpu and not other and func._schema.name.partition("::")[2] in COMPUTES:
        raise WrongDeviceError(f"{func} computes on the CPU")
    plain_args, plain_kwargs = tree_map_only(OnOther, lambda one: one.inner, (args, kwargs))
    results = func(*plain_args, **plain_kwargs)
    if not wraps:
        return results
    results = tree_map_only(Tensor, OnOther, results)
    return return_and_correct_aliasing(func, args, kwargs, results) if other else results


class watched(TorchDispatchMode):  # noqa: N801 - a context
    """Let tensors be on `OTHER`, and refuse operations on the wrong device.

    Models are still built on the CPU, which includes a forward pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._building = patch.object(workspace, "_model", self._model)
        self._makes = workspace._model
        self._paused = False

    def __enter__(self) -> "watched":
        self._building.start()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._building.stop()

    def _model(self, *arguments: Any, **settings: Any) -> Model:
        self._paused = True
        try:
            return self._makes(*arguments, **settings)
        finally:
            self._paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._paused:
            return func(*args, **(kwargs or {}))
        return dispatched(func, args, kwargs or {})

"""The device of torch on which a training computes: the CPU or an accelerator.

Only the arithmetic of the training runs on it. Data are prepared on the CPU, so that batches do
not depend on the device. Virtual times, which are those of emulated devices, do not change.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from cutlayer.errors import UserError
from cutlayer.models.draws import ACCELERATORS

CPU: Final = torch.device("cpu")
FORMS: Final = "cpu, cuda, cuda:N or mps"

T = TypeVar("T")


class TrainingDeviceError(UserError):
    """A device of torch that is unknown, or not available."""


def device_of(text: str) -> torch.device:
    """Return the device of a name such as "cpu", "cuda", "cuda:1" or "mps".

    Raises TrainingDeviceError if it is not available here.
    """
    here = available()
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", text):
        raise TrainingDeviceError(
            f"device: unknown device {text!r}: it must be {FORMS} ({_list(here)})"
        )
    device = torch.device(text)
    if device.type != "cpu" and device.index is None:
        device = torch.device(device.type, 0)  # as tensors have it
    if (device.type if device.type == "mps" else str(device)) not in here:
        why = "" if device.type != "cuda" or torch.version.cuda else ": torch is built without CUDA"
        raise TrainingDeviceError(f"device: {text!r} is not available{why} ({_list(here)})")
    return device


def available() -> list[str]:
    """Return the names of the devices of this machine."""
    names = ["cpu"]
    if torch.cuda.is_available():
        names += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def _list(names: list[str]) -> str:
    return f"available here: {', '.join(names)}"


def prepare(device: torch.device) -> None:
    """Make an accelerator the current device, with deterministic kernels as far as torch has them.

    Float32 is computed as float32: TF32, which cuDNN uses by default, has 10 bits of mantissa. Does
    nothing for the CPU.
    """
    if device.type not in ACCELERATORS:
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def description(device: torch.device) -> dict[str, Any]:
    """Return what identifies an accelerator among the numerics; for the CPU, only its name."""
    if device.type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return {"device": device.type}


def moved(value: T, device: torch.device) -> T:
    """Return a value with its tensors on a device; the same object if they all are there."""
    if all(tensor.device == device for tensor in _tensors(value)):
        return value
    return _moved(value, device)  # type: ignore[no-any-return]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    else:
        for part in _parts(value).values():
            yield from _tensors(part)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    parts = {key: _moved(part, device) for key, part in _parts(value).items()}
    if isinstance(value, dict):
        return type(value)(parts)
    if isinstance(value, list):
        return list(parts.values())
    if isinstance(value, tuple):
        return type(value)(*parts.values()) if hasattr(value, "_fields") else tuple(parts.values())
    return replace(value, **parts) if parts else value


def _parts(value: Any) -> dict[Any, Any]:
    """Return what a value consists of; nothing for one that has no tensors."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.init}
    return {}

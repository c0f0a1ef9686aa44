"""Initial weights as a function of a seed."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def initialised(make: Callable[[], M], *, seed: int, device: str = "cpu") -> M:
    """The module that `make` builds, its weights drawn from `seed`; no global generator moves.

    Weights are drawn on the CPU and then moved, so they do not depend on the device; on `meta`
    there are none.
    """
    if device == "meta":
        with torch.device("meta"):
            return make()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make().to(device)

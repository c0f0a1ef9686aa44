"""Initial weights as a function of a seed."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from cutlayer.models.draws import borrowed_generators, seed_generators, seed_of

M = TypeVar("M", bound=nn.Module)


def initialised(
    make: Callable[[], M], *, seed: int, device: str = "cpu", stream: str | None = None
) -> M:
    """The module that `make` builds, its weights drawn from `seed`; no global generator moves.

    Modules that are drawn from one seed begin with the same numbers; a `stream` of its own, named
    after the module, keeps one apart from the others. Weights are drawn on the CPU and then moved, so
    they do not depend on the device; on `meta` there are none.
    """
    with borrowed_generators():
        seed_generators(seed if stream is None else seed_of(seed, f"initial {stream}"))
        if device == "meta":
            with torch.device("meta"):
                return make()
        return make().to(device)

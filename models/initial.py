"""Initial weights as a function of a seed."""

from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def initialised(
    make: Callable[[], M], *, seed: int, device: str = "cpu", stream: str | None = None
) -> M:
    """The module that `make` builds, its weights drawn from `seed`; no global generator moves.

    Modules that are drawn from one seed begin with the same numbers; a `stream` of its own, named
    after the module, keeps one apart from the others. Weights are drawn on the CPU and then moved, so
    they do not depend on the device; on `meta` there are none.
    """
    if device == "meta":
        with torch.device("meta"):
            return make()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed if stream is None else _seed_of(seed, stream))
        return make().to(device)


def _seed_of(seed: int, stream: str) -> int:
    name = blake2b(f"{seed}\x1finitial {stream}".encode(), digest_size=8)
    return int.from_bytes(name.digest()) >> 1  # torch takes 63 bits without a sign

"""Random numbers that modules draw for themselves, from the global generators of the process.

Dropout draws from torch's generator and takes no other; a user's module may also use numpy's or the
one of `random`. Code that runs such modules borrows the three, sets them to a stream that has a name,
and restores their states. Not covered: a generator that a module keeps for itself.
"""

# ruff: noqa: NPY002 - numpy's global generator is what users' modules use

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TypeVar

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator
from torch import nn

M = TypeVar("M", bound=nn.Module)


def seed_of(seed: int, purpose: str, *key: int | str) -> int:
    """Return 63 bits that depend on every part of a stream's name and on nothing else."""
    name = "\x1f".join([str(seed), purpose, *map(str, key)])
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 1


@contextmanager
def borrowed_generators() -> Iterator[None]:
    """Restore torch's (CPU), numpy's and `random`'s global generators when the block ends."""
    of_torch = torch.default_generator.get_state()
    of_random = random.getstate()
    bits, of_numpy = get_bit_generator(), np.random.get_state(legacy=False)
    set_bit_generator(np.random.MT19937(0))
    try:
        yield
    finally:
        torch.default_generator.set_state(of_torch)
        random.setstate(of_random)
        set_bit_generator(bits)
        np.random.set_state(of_numpy)


def seed_generators(number: int) -> None:
    """Set the three global generators, which the caller has borrowed, to the beginning of a stream."""
    torch.default_generator.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


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

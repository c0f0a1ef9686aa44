"""Control of the random numbers that modules draw from the process's global generators.

Dropout draws from torch's global generator and accepts no other; a user's module may also use those of
numpy and `random`. Code that runs such modules saves the states of all three, seeds them from a named
stream, and restores them. Not covered: a generator that a module keeps for itself.
"""

# ruff: noqa: NPY002 - users' modules draw from numpy's global generator

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
    """Return a 63-bit seed that depends on every part of a stream's name and on nothing else."""
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
    """Seed the three global generators; the caller restores them (`borrowed_generators`)."""
    torch.default_generator.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


def initialised(
    make: Callable[[], M], *, seed: int, device: str = "cpu", stream: str | None = None
) -> M:
    """Build a module with `make`, drawing its weights from `seed`; global generators are unchanged.

    Modules built from the same seed start from the same random numbers unless they have a `stream`,
    named after the module. Weights are drawn on the CPU and then moved, so they do not depend on the
    device; on `meta` there are none.
    """
    with borrowed_generators():
        seed_generators(seed if stream is None else seed_of(seed, f"initial {stream}"))
        if device == "meta":
            with torch.device("meta"):
                return make()
        return make().to(device)

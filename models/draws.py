"""Random numbers that modules draw for themselves, from the global generators of the process.

Dropout draws from torch's generator and takes no other; a user's module may also use numpy's or the
one of `random`. Code that runs such modules borrows the three, sets them to a stream that has a name,
and restores their states. Not covered: a generator that a module keeps for itself.
"""

# ruff: noqa: NPY002 - numpy's global generator is what users' modules use

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator


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

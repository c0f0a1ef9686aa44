"""Random streams of what varies, each named by what it is for and whom it belongs to.

A stream depends on its own name only: not on the order of the draws, nor on what else there is.
"""

from hashlib import blake2b

import numpy as np


def generator(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """Return the stream of (seed, purpose, key), for instance (0, "markov", "pi-3.up", 7)."""
    name = "\x1f".join([str(int(seed)), purpose, *(str(part) for part in key)])
    entropy = int.from_bytes(blake2b(name.encode(), digest_size=16).digest())
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

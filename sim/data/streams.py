"""Random streams, each named by what it is for and whom it belongs to.

A stream depends on its own name only: never on a global state, on the order of the draws, or on
which other clients exist.
"""

from hashlib import blake2b

import numpy as np


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Return the stream of (seed, purpose, key), for instance (0, "batch order", client, round)."""
    name = "\x1f".join([str(int(seed)), purpose, *(str(int(part)) for part in key)])
    entropy = int.from_bytes(blake2b(name.encode(), digest_size=16).digest())
    return np.random.Generator(np.random.PCG64(entropy))

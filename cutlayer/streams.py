"""Random streams, each named by what it is for and which client, link or class it belongs to.

A stream depends on its name only: not on a global state, the order of the draws, or which other
streams exist.
"""

from hashlib import blake2b

import numpy as np


def generator(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """Return the stream of (seed, purpose, key), for instance (0, "batch order", client, round)."""
    parts = (part if isinstance(part, str) else str(int(part)) for part in key)
    name = "\x1f".join([str(int(seed)), purpose, *parts])
    entropy = int.from_bytes(blake2b(name.encode(), digest_size=16).digest())
    return np.random.Generator(np.random.PCG64(entropy))

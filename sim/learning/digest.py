"""Learning digests: names for states of the training that are equal when the mathematics is equal.

A digest is a Merkle node: what was done, every hyperparameter of it, and the digests of all states it
read. It never mentions time, so a change of links or devices leaves it alone unless the order of the
updates changed. An unknown ingredient (a data set without a declared identity) makes every digest
that depends on it None, and None is never equal to anything.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

Digest = str | None
Ingredient = str | int | float | bool | None | Sequence["Ingredient"] | Mapping[str, "Ingredient"]


def node(operation: str, hyperparameters: Ingredient, reads: Sequence[Digest]) -> Digest:
    """Return the digest of `operation` applied to the states `reads`, or None if one is unknown."""
    if any(digest is None for digest in reads):
        return None
    text = json.dumps([operation, hyperparameters, list(reads)], sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

"""Learning digests: names for states of the training that are equal when the mathematics is equal.

A digest is a Merkle node: what was done, every hyperparameter of it, and the digests of all states it
read. It never mentions time, so a change of links or devices leaves it alone unless the order of the
updates changed. An unknown ingredient (a data set without a declared identity) makes every digest
that depends on it None, and None is never equal to anything.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from cutlayer.models.own_object import import_own, import_own_module, plain_name

Digest = str | None
Ingredient = str | int | float | bool | None | Sequence["Ingredient"] | Mapping[str, "Ingredient"]


def node(operation: str, hyperparameters: Ingredient, reads: Sequence[Digest]) -> Digest:
    """Return the digest of `operation` applied to the states `reads`, or None if one is unknown."""
    if any(digest is None for digest in reads):
        return None
    text = json.dumps([operation, hyperparameters, list(reads)], sort_keys=True, allow_nan=False)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def source_identity(name: str) -> Digest:
    """Return a fingerprint of the code behind `package.module:Object`; "" for a name of the catalogue.

    It covers the file of the named module and the file of the module that defines the object, but not
    the modules that these import. It does not depend on the folder. None, which makes the learning
    digest None, if there is no such file.
    """
    module_name, colon, _ = name.partition(":")
    if not colon:
        return ""
    module = import_own_module(module_name).__name__
    homes = {module, getattr(import_own(name), "__module__", module)}
    fingerprint = blake2b(digest_size=16)
    for home in sorted(homes, key=plain_name):
        file = getattr(sys.modules.get(home), "__file__", None)
        if file is None:
            return None
        fingerprint.update(Path(file).read_bytes())
    return fingerprint.hexdigest()

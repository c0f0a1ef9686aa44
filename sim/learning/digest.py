"""Learning digests: identifiers of training states that are equal if the mathematics is equal.

A digest is a Merkle node: the operation, all of its hyperparameters, and the digests of the states that
it reads. Times are not part of it, so links and devices only change it if they change the order of
updates. If an ingredient is unknown (a data set without a declared identity), all digests that depend on
it are None, and None is never equal to anything.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from cutlayer.models.given_objects import given
from cutlayer.models.own_object import import_own, import_own_module, plain_name
from cutlayer.models.packages.names import identity, package_of

Digest = str | None
Ingredient = str | int | float | bool | None | Sequence["Ingredient"] | Mapping[str, "Ingredient"]


_ENCODER: Final = json.JSONEncoder(sort_keys=True, allow_nan=False)


def node(operation: str, hyperparameters: Ingredient, reads: Sequence[Digest]) -> Digest:
    """Return the digest of `operation` applied to the states `reads`, or None if one is unknown."""
    if None in reads:
        return None
    text = _ENCODER.encode([operation, hyperparameters, list(reads)])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def source_identity(name: str, pretrained: bool | None = None) -> Digest:
    """Return a fingerprint of the code of `package.module:Object`, "" for a name of the catalogue.

    It covers the files of the named module and of the module that defines the object, but not their
    imports, and does not depend on the folder. Without such a file, and for an object that cannot be
    imported by its name, it is None, and so is the learning digest. For a model of a package it covers
    the package's version, and the configuration and weights of transformers' models.
    """
    if given(name) is not None:
        return None
    module_name, colon, _ = name.partition(":")
    if not colon:
        return ""
    if package_of(name) is not None:
        return identity(name, pretrained)
    module = import_own_module(module_name).__name__
    modules = {module, getattr(import_own(name), "__module__", module)}
    fingerprint = blake2b(digest_size=16)
    for defining in sorted(modules, key=plain_name):
        file = getattr(sys.modules.get(defining), "__file__", None)
        if file is None:
            return None
        fingerprint.update(Path(file).read_bytes())
    return fingerprint.hexdigest()

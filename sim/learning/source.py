"""The identity of a user's own code, so that a digest changes when the code does."""

import sys
from hashlib import blake2b
from pathlib import Path

from cutlayer.models.own_object import import_own
from cutlayer.sim.learning.digest import Digest


def source_identity(name: str) -> Digest:
    """Return a fingerprint of the code behind `package.module:Object`; "" for a catalogue's name.

    It covers the file of the module that is named and of the one that defines the object, not what
    these import. None, which makes the learning digest None, where there is no such file.
    """
    module_name, colon, _ = name.partition(":")
    if not colon:
        return ""
    found = import_own(name)
    homes = {module_name, getattr(found, "__module__", module_name)}
    fingerprint = blake2b(digest_size=16)
    for home in sorted(homes):
        file = getattr(sys.modules.get(home), "__file__", None)
        if file is None:
            return None
        fingerprint.update(Path(file).read_bytes())
    return fingerprint.hexdigest()

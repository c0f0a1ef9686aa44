"""The fingerprint of the weights that a run has trained."""

import hashlib
from collections.abc import Mapping
from typing import Any

from cutlayer.sim.learning.replica import State
from cutlayer.sim.learning.state_key import MODEL, StateKey, shared


def weights_digest(states: Mapping[StateKey, Any], versions: Mapping[StateKey, int]) -> str:
    """Return a fingerprint of the trained weights among states, which does not depend on the cut."""
    fingerprint = hashlib.blake2b(digest_size=16)
    weights: State = {}
    for key, state in states.items():
        unused = key.cut is not None and versions[key] == 0
        if key.is_module and not unused:
            of_model = key in shared("device", "server") or key == StateKey(MODEL, block=key.block)
            prefix = "" if of_model else f"{key.text}:"
            weights |= {prefix + name: value for name, value in state.items()}
    for name in sorted(weights):
        fingerprint.update(name.encode())
        fingerprint.update(weights[name].cpu().contiguous().numpy().tobytes())
    return fingerprint.hexdigest()

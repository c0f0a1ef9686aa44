"""The contract of events.npz: columns and ranges, checked as the file is read."""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import COLUMNS, NO_CAUSE, SERVER, Activity, Phase
from cutlayer.sim.results.contract import ContractError

WHOLE: Final = ("actor", "peer", "method", "phase", "activity", "round", "cause")
NAMES: Final = ("actor_names", "labels", "phase_names", "activity_names")


def check_events(events: Mapping[str, NDArray[Any]]) -> None:
    """Check the columns of events.npz. Raises ContractError with the first problem."""
    columns = (*COLUMNS, "method", "round")
    kinds = dict.fromkeys(columns, "iufb") | dict.fromkeys(WHOLE, "iu") | dict.fromkeys(NAMES, "U")
    for name, kind in kinds.items():
        if name not in events:
            raise ContractError(f"it has no column {name!r}")
        if events[name].ndim != 1:
            raise ContractError(f"{name} is not a column")
        if len(events[name]) and events[name].dtype.kind not in kind:
            raise ContractError(f"{name} has a wrong type ({events[name].dtype})")
    if "server" not in events["actor_names"]:
        raise ContractError("actor_names has no server")
    length = len(events["start"])
    for name in columns:
        if len(events[name]) != length:
            raise ContractError(f"{name} has {len(events[name])} entries, start has {length}")
        if length and not np.isfinite(events[name]).all():
            raise ContractError(f"{name} has an entry that is not finite")
    ranges = {
        "actor": (SERVER, len(events["actor_names"])),
        "peer": (SERVER, len(events["actor_names"])),
        "method": (0, len(events["labels"])),
        "phase": (0, min(len(Phase), len(events["phase_names"]))),
        "activity": (0, min(len(Activity), len(events["activity_names"]))),
        "round": (0, inf),
        "cause": (NO_CAUSE, length),
    }
    for name, (least, end) in ranges.items():
        values = events[name]
        if length and (values.min() < least or values.max() >= end):
            raise ContractError(f"{name} has an entry out of range")

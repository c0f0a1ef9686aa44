"""A scenario with stand-ins for its refused parts, so that the rest can be checked."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from cutlayer.scenarios.problems import KeyPath

_REQUIRED: Final[Mapping[str, Mapping[str, Any]]] = {
    "data": {"dataset": "digits", "test_fraction": 0.2},
    "model": {"name": "lenet", "cut": 0},
    "training": {"rounds": 1, "batch_size": 1, "optimizer": {"name": "sgd", "lr": 0.1}},
    "topology": {
        "star": {
            "server": {"device": "server-8-core", "slots": 1},
            "clients": [{"device": "raspberry-pi-4b", "link": "4g"}],
        }
    },
}


def without(data: Mapping[str, Any], refused: Iterable[KeyPath]) -> dict[str, Any]:
    """Return a scenario's plain data with valid stand-ins in place of refused parts.

    In `data`, `model` and `training`, single fields are replaced; other sections as a whole.
    """
    repaired = {**data, "name": "stand-in"}
    for section, stand_in in _REQUIRED.items():
        if not isinstance(repaired.get(section), dict):
            repaired[section] = dict(stand_in)
    for path in refused:
        section = str(path[0]) if path else ""
        if section not in _REQUIRED:
            repaired.pop(section, None)
        elif section == "topology" or len(path) == 1:
            repaired[section] = dict(_REQUIRED[section])
        else:
            field, stand_in = str(path[1]), _REQUIRED[section]
            kept = {key: value for key, value in repaired[section].items() if key != field}
            extra = {field: stand_in[field]} if field in stand_in else {}
            repaired[section] = {**kept, **extra}
    return repaired


def touches(path: KeyPath, refused: Collection[KeyPath]) -> bool:
    """Whether the value at `path`, a part of it, or a section around it was refused."""
    return any(path[: len(one)] == one[: len(path)] for one in refused)

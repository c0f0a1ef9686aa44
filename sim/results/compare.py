"""Differences between two runs: in their scenarios, and in their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cutlayer.sim.results.columns import ratio
from cutlayer.sim.results.read import SavedRun

ABSENT: Final = "-"


@dataclass(frozen=True)
class Difference:
    """A dotted path at which two runs differ, and the value of each (`ABSENT` if it has none)."""

    path: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Change:
    """A figure of a method in both runs; None if a run does not have it."""

    label: str
    figure: str
    one: float | None
    other: float | None

    @property
    def ratio(self) -> float | None:
        """The second value over the first."""
        return ratio(self.other, self.one)


def scenario_differences(one: SavedRun, other: SavedRun) -> list[Difference]:
    """Return where the resolved scenarios, seeds and versions differ, in the first one's order."""
    before, after = (
        _flat(run.summary["scenario"]) | _flat({"seed": run.seed, "versions": run.versions})
        for run in (one, other)
    )
    return [
        Difference(path, before.get(path, ABSENT), after.get(path, ABSENT))
        for path in dict.fromkeys([*before, *after])
        if before.get(path, ABSENT) != after.get(path, ABSENT)
    ]


def figure_changes(one: SavedRun, other: SavedRun) -> list[Change]:
    """Return every method's time, bytes, energy and accuracy in both runs."""
    changes = []
    for label in dict.fromkeys([*one.methods, *other.methods]):
        before, after = _figures(one.methods.get(label)), _figures(other.methods.get(label))
        for name in dict.fromkeys([*before, *after]):
            changes.append(Change(label, name, before.get(name), after.get(name)))
    return changes


def same_learning(one: SavedRun, other: SavedRun) -> dict[str, bool | None]:
    """Return whether each method of both runs learned the same; None if that is unknown."""
    same: dict[str, bool | None] = {}
    for label in one.methods:
        if label in other.methods:
            digests = [r.methods[label]["learning_digest"] for r in (one, other)]
            same[label] = None if None in digests else digests[0] == digests[1]
    return same


def _figures(entry: Mapping[str, Any] | None) -> dict[str, float | None]:
    if entry is None:
        return {}
    accuracy = entry["accuracy"] or {"final": None}
    reached = {
        f"time to accuracy {float(target):.0%}": seconds
        for target, seconds in entry["time_to_accuracy_s"].items()
    }
    return {
        "round time": entry["round_time_s"]["mean"],
        "virtual time": entry["virtual_time_s"],
        "traffic per client and round": entry["wire_bytes"]["per_client_round"],
        "device energy": entry["energy_j"],
        "final accuracy": accuracy["final"],
        **reached,
    }


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of plain data by their dotted paths."""
    if not value or not isinstance(value, Mapping | list):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        flat |= _flat(inner, f"{path}.{key}" if path else str(key))
    return flat

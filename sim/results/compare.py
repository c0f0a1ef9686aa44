"""Differences between two runs: in their scenarios, and in their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cutlayer.sim.results.read import SavedRun

NOTHING: Final = "-"


@dataclass(frozen=True)
class Difference:
    """A place where two runs differ, and what stands there in each (`NOTHING` where it is not)."""

    place: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Change:
    """A figure of a method in both runs; None where a run does not have it."""

    label: str
    figure: str
    one: float | None
    other: float | None

    @property
    def ratio(self) -> float | None:
        """The second over the first."""
        return self.other / self.one if self.one and self.other is not None else None


def scenario_differences(one: SavedRun, other: SavedRun) -> list[Difference]:
    """Return where the resolved scenarios, seeds and versions differ, in the first one's order."""
    before = _flat(one.summary["scenario"]) | _flat({"seed": one.seed, "versions": one.versions})
    after = _flat(other.summary["scenario"]) | _flat(
        {"seed": other.seed, "versions": other.versions}
    )
    places = dict.fromkeys([*before, *after])
    return [
        Difference(place, before.get(place, NOTHING), after.get(place, NOTHING))
        for place in places
        if before.get(place, NOTHING) != after.get(place, NOTHING)
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
    """Return for each method of both whether they learned the same; None where nobody can say."""
    found: dict[str, bool | None] = {}
    for label in one.methods:
        if label in other.methods:
            digests = [r.methods[label]["learning_digest"] for r in (one, other)]
            found[label] = None if None in digests else digests[0] == digests[1]
    return found


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


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    """Return the leaves of plain data by their dotted places."""
    if isinstance(value, Mapping) and value:
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list) and value:
        items = [(str(index), inner) for index, inner in enumerate(value)]
    else:
        return {place: value}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat |= _flat(inner, f"{place}.{key}" if place else key)
    return flat

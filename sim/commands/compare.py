"""`cutlayer compare`: the scenarios and the results of two runs, side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.results.columns import ratio
from cutlayer.sim.results.metrics import final_of, metric_of, times_to_targets
from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.studies import formatted

MOST_DIFFERENCES = 40
ABSENT = "-"
LEARNED = {
    None: "whether both train the same models is unknown, as the data's identity is not recorded",
    True: "both train the same models; only times can differ",
    False: "they train different models",
}


def compare_command(one: Path, other: Path) -> None:
    """Print where two runs differ: scenario, figures, and whether they train the same models."""
    first, second = read_run(one), read_run(other)
    console = make_console()
    console.say(f"first:  {one}")
    console.say(f"second: {other}")
    console.print()
    differences = scenario_differences(first, second)
    if differences:
        rows = [(path, str(a), str(b)) for path, a, b in differences[:MOST_DIFFERENCES]]
        print_grid(console, ("field", "first", "second"), rows, "Scenario, seed and versions")
    else:
        console.print("Scenario, seed and versions are the same.")
    if len(differences) > MOST_DIFFERENCES:
        console.print(f"... and {len(differences) - MOST_DIFFERENCES} more")
    console.print()
    results = []
    for label, figure, before, after in figure_changes(first, second):
        if before is not None or after is not None:
            texts = (formatted(figure, value, {}) for value in (before, after))
            change = ratio(after, before)
            results.append((label, figure, *texts, "-" if change is None else f"{change:.4g}"))
    headings = ("method", "figure", "first", "second", "ratio")
    print_grid(console, headings, results, "Results")
    console.print()
    for label, entry in first.methods.items():
        if label in second.methods:
            digests = [e["learning_digest"] for e in (entry, second.methods[label])]
            same = None if None in digests else digests[0] == digests[1]
            console.print(f"{label}: {LEARNED[same]}")


def scenario_differences(one: SavedRun, other: SavedRun) -> list[tuple[str, Any, Any]]:
    """Return the dotted paths at which scenarios, seeds and versions differ, with both values."""
    before, after = (
        _flat(run.summary["scenario"]) | _flat({"seed": run.seed, "versions": run.versions})
        for run in (one, other)
    )
    values = [(path, before.get(path, ABSENT), after.get(path, ABSENT)) for path in before | after]
    return [(path, first, second) for path, first, second in values if first != second]


def figure_changes(
    one: SavedRun, other: SavedRun
) -> list[tuple[str, str, float | None, float | None]]:
    """Return each method's label and figures by name in both runs; None if a run does not have it."""
    changes = []
    for label in one.methods | other.methods:
        before, after = _figures(one.methods.get(label)), _figures(other.methods.get(label))
        changes += [(label, name, before.get(name), after.get(name)) for name in before | after]
    return changes


def _figures(entry: Mapping[str, Any] | None) -> dict[str, float | None]:
    if entry is None:
        return {}
    metric = metric_of(entry)
    reached = {
        f"time to {metric.title} {metric.goal(float(target))}": seconds
        for target, seconds in times_to_targets(entry).items()
    }
    updates = entry.get("updates")
    return {
        "round time" if updates is None else "window time": entry["round_time_s"]["mean"],
        "virtual time": entry["virtual_time_s"],
        "traffic per client and round": entry["wire_bytes"]["per_client_round"],
        "device energy": entry["energy_j"],
        f"final {metric.title}": final_of(entry),
        **reached,
        **({} if updates is None else _of_updates(updates)),
    }


def _of_updates(updates: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the figures that only an asynchronous method has."""
    return {
        "mean staleness": updates["staleness"]["mean"],
        "largest staleness": updates["staleness"]["max"],
        "versions per hour": updates["versions_per_hour"],
        "Jain's index of the clients": updates["clients"]["jain"],
    }


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of plain data by their dotted paths."""
    if not value or not isinstance(value, Mapping | list):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        flat |= _flat(inner, f"{path}.{key}" if path else str(key))
    return flat

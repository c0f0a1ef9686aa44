"""The tabs of a run, in the order of a reader's questions.

Who wins and by how much, how accurate, why, how certain, under which assumptions, from which versions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cutlayer.sim.report.run_figures import results_table, target_tables
from cutlayer.sim.results.critical_path import NAMES, attribution
from cutlayer.sim.results.estimate import estimate_of_all, mean
from cutlayer.sim.results.metrics import common_metric, final_of, metric_of
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.accuracy import accuracy_charts
from cutlayer.sim.views.charts import Part, Source, Tab, Table, Words
from cutlayer.sim.views.critical_path import windows_note
from cutlayer.sim.views.links import busiest_links, strips
from cutlayer.sim.views.quantities import (
    TIMES,
    quantity,
    significant,
)
from cutlayer.sim.views.rounds import (
    category_charts,
    critical_path_chart,
    idle_chart,
    round_by_round,
    speedup_charts,
    tier_chart,
    traffic_chart,
)
from cutlayer.sim.views.timeline import timelines
from cutlayer.sim.views.training import (
    class_chart,
    confusion_charts,
    fairness_table,
    loss_charts,
)
from cutlayer.sim.views.uncertainty import (
    uncertainty_parts,
)
from cutlayer.sim.views.updates import (
    asynchronous,
    contribution_charts,
    staleness_chart,
    updates_table,
    versions_chart,
)

PREDICTED: Final = (
    "Every time on this page is predicted by the simulator, not measured on the devices."
)


def run_source(runs: Sequence[SavedRun]) -> Source:
    """Return the tabs of one scenario's run, with one seed or several."""
    first = runs[0]
    seeds = ", ".join(str(run.seed) for run in runs)
    about = str(first.summary["scenario"].get("description") or "").strip()
    if about and about[-1] not in ".!?":
        about += "."
    statuses = {run.summary["status"] for run in runs}
    status = "; it stalled" if "stalled" in statuses else ""
    status += "; it was stopped early" if "stopped" in statuses else ""
    whole = [run for run in runs if run.methods.keys() >= first.methods.keys()]
    if len(whole) < len(runs):
        status += f"; {len(runs) - len(whole)} seeds without all methods are left out"
    runs, metric = whole, common_metric([*first.methods.values()])
    tabs = [
        Tab("Results", [results_table(runs), speedup_charts(runs)]),
        Tab(metric.heading, [accuracy_charts(runs), *target_tables(runs), *_training(runs)]),
        Tab("Why", _why(runs)),
        Tab("Timeline", [timelines(first)]),
        Tab("Updates", _updates(runs)),
        Tab("Links and devices", _links_and_devices(runs)),
        Tab("Uncertainty", _uncertainty(runs)),
        Tab("Assumptions", [_scenario(first)]),
        Tab("Provenance", [_provenance(runs)]),
    ]
    shown = [tab for tab in tabs if any(part for part in tab.parts)]
    return Source(first.name, f"{about} Seed {seeds}{status}.".strip(), shown)


def _scenario(run: SavedRun) -> Words:
    return Words("scenario", "Scenario as resolved", run.scenario_text.splitlines(), code=True)


def _training(runs: Sequence[SavedRun]) -> list[Part]:
    """Return losses, and accuracies of classes and clients, if something was trained."""
    classes, clients = class_chart(runs), fairness_table(runs)
    return [
        loss_charts(runs),
        *([] if classes is None else [(classes,)]),
        *([] if clients is None else [clients]),
        confusion_charts(runs[0]),
    ]


def _why(runs: Sequence[SavedRun]) -> list[Part]:
    """Return the critical paths, traffic, idle shares and stragglers."""
    run = runs[0]
    attributions = [attribution(label, run.rounds(label)) for label in run.methods]
    attributions = [about for about in attributions if about.rounds]
    if not attributions:
        return []
    paths = critical_path_chart(runs, "all methods, mean of the rounds")
    by_round = [round_by_round(run, about.label) for about in attributions]
    rows = []
    for about in attributions:
        total = about.total_s or 1.0
        barrier = "-" if about.barrier_s is None else f"{about.barrier_s / total:.0%}"
        rows.append(
            [
                about.label,
                f"{NAMES[about.largest]} ({about.phases_s[about.largest] / total:.0%})",
                barrier,
                ", ".join(f"{name} ({count})" for name, count in about.stragglers[:3]),
            ]
        )
    columns = ["Method", "Largest phase", "Barrier wait", "Stragglers (rounds)"]
    note = (
        "Barrier wait: the share of a round in which a client, on average, waits for the last one."
    )
    if windows := [about.label for about in attributions if about.windows]:
        note += f" {windows_note(windows)}"
    idle = idle_chart(runs)
    return [
        (paths, *by_round),
        (traffic_chart(runs),),
        *([(tiers,)] if (tiers := tier_chart(runs)) is not None else []),
        *([(idle,)] if idle is not None else []),
        Table("stragglers", "Stragglers and barriers", columns, rows, note),
    ]


def _updates(runs: Sequence[SavedRun]) -> list[Part]:
    """Return staleness, versions and contributions of the methods without rounds, if there are any."""
    if not asynchronous(runs):
        return []
    return [
        updates_table(runs),
        (staleness_chart(runs),),
        (versions_chart(runs[0]),),
        contribution_charts(runs),
    ]


def _links_and_devices(runs: Sequence[SavedRun]) -> list[Part]:
    run = runs[0]
    parts: list[Part] = []
    if pairs := strips(run):
        parts.append(tuple(chart for pair in pairs for chart in pair))
    busiest = busiest_links(run)
    if busiest is not None:
        parts.append((busiest,))
    if categories := category_charts(runs):
        parts.append(categories)
    nodes = [
        [label, name, str(node["slots"]), str(node["jobs"]), _wait(node), _share(node)]
        for label, entry in run.methods.items()
        for name, node in entry.get("nodes", {}).items()
    ]
    if nodes:
        columns = ["Method", "Node", "Slots", "Jobs", "Mean wait of a job", "Idle share"]
        note = "The server, and the edge nodes or peers that compute for clients."
        parts.append(Table("nodes", "Server and edge nodes", columns, nodes, note))
    devices: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in run.table("devices"):
        if row["rounds"] != 0:  # otherwise the client took part in none
            devices.setdefault((str(row["label"]), str(row["device"])), []).append(row)
    rows = []
    for (label, device), members in devices.items():
        idle = mean(member["idle_fraction"] for member in members)
        energy = estimate_of_all(member["energy_j"] for member in members)
        rows.append(
            [
                *(label, device, str(len(members))),
                "-" if idle is None else f"{idle:.0%}",
                "not known" if energy is None else f"{significant(energy.mean)} J",
            ]
        )
    if rows:
        columns = ["Method", "Device", "Clients", "Idle share", "Energy of one device, mean"]
        note = (
            "In the rounds that a client took part in. The energy of a radio is not known for every"
        )
        note += " device; without it the energy is a lower bound."
        parts.append(Table("devices", "Devices", columns, rows, note))
    return parts


def _uncertainty(runs: Sequence[SavedRun]) -> list[Part]:
    """Return how far draws and seeds differ, and which figures of the times are guesses."""
    parts: list[Part] = uncertainty_parts(runs[0])
    if len(runs) > 1:
        rows = [
            [str(run.seed), label, quantity(entry["virtual_time_s"], TIMES), _final(entry)]
            for run in runs
            for label, entry in run.methods.items()
        ]
        metric = common_metric([*runs[0].methods.values()])
        columns = ["Seed", "Method", "Total virtual time", f"Final {metric.title}"]
        note = "A difference between two methods within their intervals is not significant."
        parts.append(Table("seeds", "Seeds", columns, rows, note))
    else:
        lines = ["This run has one seed: how far accuracies differ between seeds is not known."]
        parts.append(Words("seeds", "Seeds", lines))
    clocks = [
        f"{label}: not physical times, but {entry['pricing']}."
        for label, entry in runs[0].methods.items()
        if entry.get("pricing")
    ]
    if clocks:
        parts.append(Words("clocks", "Published clocks", clocks))
    coarse = [figure for entry in runs[0].methods.values() for figure in entry.get("coarse", ())]
    if coarse:
        figures = [[str(figure)] for figure in dict.fromkeys(coarse)]
        note = "The times rest on these figures, which are coarse, recalled or guessed."
        parts.append(Table("guesses", "Guessed figures", ["Profile or link"], figures, note))
    else:
        lines = ["No figure that the times rest on is coarse or guessed."]
        parts.append(Words("guesses", "Guessed figures", lines))
    return parts


def _wait(node: Mapping[str, Any]) -> str:
    return quantity(node["wait_s"]["mean"], TIMES) if node["wait_s"] else "-"


def _share(node: Mapping[str, Any]) -> str:
    return "-" if node["idle_fraction"] is None else f"{node['idle_fraction']:.1%}"


def _final(entry: Mapping[str, Any]) -> str:
    value = final_of(entry)
    return "not trained" if value is None else metric_of(entry).text(value)


def _provenance(runs: Sequence[SavedRun]) -> Table:
    rows = []
    for run in runs:
        before = f"seed {run.seed}, " if len(runs) > 1 else ""
        rows += [[f"{before}{key}", str(value)] for key, value in flat_versions(run.versions)]
        rows += [
            [f"{before}{label}: {what}", str(entry[key])]
            for label, entry in run.methods.items()
            for key, what in (
                ("learning_digest", "learning digest"),
                ("weights_digest", "weights digest"),
                ("event_digest", "event digest"),
            )
            if entry[key] is not None
        ]
    return Table("provenance", "Versions and digests", ["what", "value"], rows, PREDICTED)


def flat_versions(versions: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the versions that a folder names, one level deep, without its guessed figures."""
    flat: list[tuple[str, Any]] = []
    for key, value in versions.items():
        if isinstance(value, Mapping):
            flat += [(f"{key}: {inner}", at) for inner, at in value.items()]
        elif key != "coarse" and value is not None:
            flat.append((key, value))
    return flat

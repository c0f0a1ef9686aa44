"""The tabs of a run: what it took, learned, why, when, over which links, from what."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutlayer.sim.report.charts import Chart, Series, Source, Tab, Table, Words
from cutlayer.sim.report.numbers import mean
from cutlayer.sim.report.run_accuracy import accuracy_tabs
from cutlayer.sim.report.run_links import links_and_energy
from cutlayer.sim.report.run_timeline import timelines
from cutlayer.sim.report.run_why import why_parts
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit, quantity, significant


def run_source(runs: Sequence[SavedRun]) -> Source:
    """Return the tabs of one scenario's run, with one seed or several."""
    first = runs[0]
    seeds = ", ".join(str(run.seed) for run in runs)
    about = str(first.summary["scenario"].get("description") or "")
    statuses = {run.summary["status"] for run in runs}
    status = "; it stalled" if "stalled" in statuses else ""
    status += "; it was stopped early" if "stopped" in statuses else ""
    whole = [run for run in runs if run.methods.keys() >= first.methods.keys()]
    if len(whole) < len(runs):
        status += f"; {len(runs) - len(whole)} without all methods left out"
    runs = whole
    tabs = [
        Tab("Summary", [_summary(runs), *_speedups(runs)]),
        *accuracy_tabs(runs),
        Tab("Why", why_parts(runs)),
        Tab("Timeline", [timelines(first)]),
        Tab("Links and energy", links_and_energy(first)),
        Tab("Scenario", [scenario_words(first.scenario_text)]),
        Tab("Provenance", [_provenance(runs)]),
    ]
    shown = [tab for tab in tabs if any(part for part in tab.parts)]
    return Source(first.name, f"{about} Seed {seeds}{status}.".strip(), shown)


def scenario_words(text: str) -> Words:
    """Return the resolved scenario, to be copied."""
    return Words("scenario", "The scenario as resolved", text.splitlines(), code=True)


def _summary(runs: Sequence[SavedRun]) -> Table:
    labels = list(runs[0].methods)
    rows = []
    times = {
        label: mean([run.methods[label]["round_time_s"]["mean"] for run in runs])
        for label in labels
    }
    name, factor = common_unit(times.values(), TIMES)
    for label in labels:
        entries = [run.methods[label] for run in runs]
        volume = mean([e["wire_bytes"]["per_client_round"] for e in entries])
        accuracy = mean([(e["accuracy"] or {"final": None})["final"] for e in entries])
        energy = mean([e["energy_j"] for e in entries])
        total = mean([e["virtual_time_s"] for e in entries])
        time = times[label]
        rows.append(
            [
                label,
                str(entries[0]["rounds"]),
                "-" if time is None else f"{significant(time / factor)} {name}",
                "-" if total is None else quantity(total, TIMES),
                "-" if volume is None else quantity(volume, BYTES),
                "not trained" if accuracy is None else f"{accuracy:.2%}",
                "not known" if energy is None else f"{significant(energy)} J",
                _seconds(mean([e["additive_round_time_s"] for e in entries])),
            ]
        )
    note = "Virtual time: what the emulated devices and links would take."
    if len(runs) > 1:
        note += f" Means over {len(runs)} seeds."
    columns = [
        "method",
        "rounds",
        "a round",
        "all rounds",
        "per client and round",
        "accuracy",
        "energy of devices",
        "a round, additive",
    ]
    return Table("summary", "What it took", columns, rows, note)


def _seconds(value: float | None) -> str:
    return "-" if value is None else quantity(value, TIMES)


def _speedups(runs: Sequence[SavedRun]) -> list[tuple[Chart, ...]]:
    """Return how many times faster, and with how many times fewer bytes, against each other method."""
    labels = list(runs[0].methods)
    charts = []
    for base in labels if len(labels) > 1 else []:
        others = [label for label in labels if label != base]
        series = []
        for place, (key, name) in enumerate((("time_x", "time"), ("bytes_x", "bytes"))):
            ratios = {
                o: mean([run.methods[o]["against"][base][key] for run in runs]) for o in others
            }
            known = {o: value for o, value in ratios.items() if value}
            series.append(
                Series(
                    name,
                    list(known),
                    list(known.values()),
                    place,
                    texts=[_compared(o, base, value, name) for o, value in known.items()],
                )
            )
        charts.append(
            Chart(
                "speedup",
                "Speedup and traffic reduction",
                "ratios",
                series,
                "",
                "times less",
                y_log=True,
                choice=f"against {base}",
                note="Time and bytes of a round. Bars begin at 1: up is faster or fewer bytes, down is"
                " slower or more.",
            )
        )
    return [tuple(charts)] if charts else []


def _compared(label: str, base: str, ratio: float, what: str) -> str:
    """Return what a ratio says: how many times faster or slower, with how many times the bytes."""
    better, worse = ("faster", "slower") if what == "time" else ("fewer bytes", "more bytes")
    times, how = (ratio, better) if ratio >= 1 else (1 / ratio, worse)
    return f"{label}\n{significant(times)} times {how} than {base}"


def _provenance(runs: Sequence[SavedRun]) -> Table:
    rows = []
    for run in runs:
        before = f"seed {run.seed}, " if len(runs) > 1 else ""
        rows += [[f"{before}{key}", str(value)] for key, value in _flat(run.versions)]
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
    coarse = [figure for entry in runs[0].methods.values() for figure in entry.get("coarse", ())]
    rows += [["coarse or guessed", str(figure)] for figure in dict.fromkeys(coarse)]
    note = (
        "Every time on this page is predicted by the simulator, none was measured on the devices."
    )
    return Table("provenance", "Where the figures come from", ["what", "value"], rows, note)


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += [(f"{key}: {inner}", at) for inner, at in value.items()]
        elif key != "coarse" and value is not None:
            found.append((key, value))
    return found

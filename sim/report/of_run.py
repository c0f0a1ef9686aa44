"""The tabs of a run: what it took, learned, why, when, over which links, from what."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.log import PHASES, Kind, Label
from sim.report.charts import Chart, Series, Source, Tab, Table, Words
from sim.saved import SavedRun
from sim.saved.why import NAMES, attribution
from sim.views.quantities import BYTES, TIMES, common_unit, quantity, significant

MOST_BARS = 2500  # of a timeline: beyond, clients are left out
MOST_LINKS = 16
MOST_ROUNDS = 60  # drawn one by one


def run_source(runs: Sequence[SavedRun]) -> Source:
    """Return the tabs of one scenario's run, with one seed or several."""
    first = runs[0]
    seeds = ", ".join(str(run.seed) for run in runs)
    about = str(first.summary["scenario"].get("description") or "")
    status = (
        "" if all(r.summary["status"] == "complete" for r in runs) else "; it was stopped early"
    )
    tabs = [
        Tab("Summary", [_summary(runs), *_speedups(runs)]),
        *_accuracy(runs),
        Tab("Why", _why(runs)),
        Tab("Timeline", [_timelines(first)]),
        Tab("Links and energy", _links_and_energy(first)),
        Tab("Scenario", [scenario_words(first.scenario_text)]),
        Tab("Provenance", [_provenance(runs)]),
    ]
    shown = [tab for tab in tabs if any(part for part in tab.parts)]
    return Source(first.name, f"{about} Seed {seeds}{status}.".strip(), shown)


def scenario_words(text: str) -> Words:
    """Return the resolved scenario, to be copied."""
    return Words("scenario", "The scenario as resolved", text.splitlines(), code=True)


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _summary(runs: Sequence[SavedRun]) -> Table:
    labels = list(runs[0].methods)
    rows = []
    times = {
        label: _mean([run.methods[label]["round_time_s"]["mean"] for run in runs])
        for label in labels
    }
    name, factor = common_unit(times.values(), TIMES)
    for label in labels:
        entries = [run.methods[label] for run in runs]
        volume = _mean([e["wire_bytes"]["per_client_round"] for e in entries])
        accuracy = _mean([(e["accuracy"] or {"final": None})["final"] for e in entries])
        energy = _mean([e["energy_j"] for e in entries])
        total = _mean([e["virtual_time_s"] for e in entries])
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
                _seconds(_mean([e["additive_round_time_s"] for e in entries])),
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
            values = [_mean([run.methods[o]["against"][base][key] for run in runs]) for o in others]
            series.append(
                Series(
                    name,
                    others,
                    [0.0 if v is None else v for v in values],
                    place,
                    texts=[
                        f"{o}: {'-' if v is None else significant(v)} times less {name}"
                        for o, v in zip(others, values, strict=True)
                    ],
                )
            )
        charts.append(
            Chart(
                "speedup",
                "How many times less time and bytes a round",
                "bars",
                series,
                "",
                f"times less than {base}",
                y_log=True,
                choice=f"against {base}",
                note="Per round; 1 is equal, below 1 is more.",
            )
        )
    return [tuple(charts)] if charts else []


def _accuracy(runs: Sequence[SavedRun]) -> list[Tab]:
    labels = [label for label in runs[0].methods if runs[0].methods[label]["curve"]]
    if not labels:
        return []
    curves = {label: _curve(runs, label) for label in labels}
    longest = max(curve["time"][-1] for curve in curves.values())
    unit, factor = common_unit([longest], TIMES)
    most = max(curve["bytes"][-1] for curve in curves.values())
    size, bytes_factor = common_unit([most], BYTES)
    ways = (
        ("over virtual time", "time", factor, f"virtual time ({unit})"),
        ("over bytes", "bytes", bytes_factor, f"wire bytes, both directions ({size})"),
        ("over rounds", "round", 1.0, "rounds closed"),
    )
    charts = []
    for choice, key, scale, title in ways:
        series = [
            Series(
                label,
                [v / scale for v in curves[label][key]],
                curves[label]["accuracy"],
                place,
                texts=[
                    f"{label}<br>{title}: {v / scale:.4g}<br>accuracy {a:.2%}"
                    for v, a in zip(curves[label][key], curves[label]["accuracy"], strict=True)
                ],
            )
            for place, label in enumerate(labels)
        ]
        charts.append(
            Chart(
                "accuracy",
                "Test accuracy",
                "lines",
                series,
                title,
                "accuracy",
                choice=choice,
                note="A click on a method in the legend hides it, a double click leaves it alone."
                + (f" Means over {len(runs)} seeds." if len(runs) > 1 else ""),
            )
        )
    targets = sorted(
        {t for label in labels for t in runs[0].methods[label]["time_to_accuracy_s"]}, key=float
    )
    rows = []
    for label in labels:
        entries = [run.methods[label]["time_to_accuracy_s"] for run in runs]
        rows.append([label, *(_reached(_mean([e.get(t) for e in entries])) for t in targets)])
    parts: list[Any] = [tuple(charts)]
    if targets:
        columns = ["method", *(f"to {float(t):.0%}" for t in targets)]
        parts.append(Table("time-to-accuracy", "Virtual time to an accuracy", columns, rows))
    return [Tab("Accuracy", parts)]


def _reached(seconds: float | None) -> str:
    return "not reached" if seconds is None else quantity(seconds, TIMES)


def _curve(runs: Sequence[SavedRun], label: str) -> dict[str, list[float]]:
    """Return the mean curve over the seeds, at the rounds that all evaluated."""
    found = []
    for run in runs:
        sent, points = 0.0, {}
        for row in run.rounds(label):
            sent += float(row["wire_bytes_up"] or 0) + float(row["wire_bytes_down"] or 0)
            if row["accuracy"] is not None:
                values = (float(row["virtual_time_s"] or 0), sent, float(row["accuracy"]))
                points[int(row["round"] or 0)] = values
        found.append(points)
    rounds = sorted(set.intersection(*(set(points) for points in found)))
    means = [np.mean([points[r] for points in found], axis=0) for r in rounds]
    return {
        "round": [r + 1.0 for r in rounds],
        "time": [float(m[0]) for m in means],
        "bytes": [float(m[1]) for m in means],
        "accuracy": [float(m[2]) for m in means],
    }


def _why(runs: Sequence[SavedRun]) -> list[Any]:
    run = runs[0]
    found = [attribution(label, run.rounds(label)) for label in run.methods]
    found = [about for about in found if about.rounds]
    if not found:
        return []
    unit, factor = common_unit([about.total_s / about.rounds for about in found], TIMES)
    series = []
    ends = {about.label: 0.0 for about in found}
    for number, phase in enumerate(PHASES):
        values = [about.phases_s[phase] / about.rounds / factor for about in found]
        if not any(values):
            continue
        starts = [ends[about.label] for about in found]
        texts = [
            f"{about.label}: {NAMES[phase]} {significant(value)} {unit}"
            f" ({about.phases_s[phase] / about.total_s:.1%})"
            for about, value in zip(found, values, strict=True)
        ]
        labels = [about.label for about in found]
        series.append(Series(NAMES[phase], values, labels, 0, starts, texts, phase=number))
        for about, value in zip(found, values, strict=True):
            ends[about.label] += value
    chart = Chart(
        "critical-path",
        "The critical path of a round",
        "stack",
        series,
        f"virtual time ({unit})",
        choice="all methods, mean of the rounds",
        note="The phases add up to the round's time: what would have to be faster for it to be shorter.",
    )
    rows = []
    for about in found:
        last = ", ".join(f"{name} ({count})" for name, count in about.stragglers[:3])
        share = about.barrier_s / about.total_s if about.total_s else 0.0
        largest = NAMES[about.largest]
        part = about.phases_s[about.largest] / about.total_s if about.total_s else 0.0
        rows.append([about.label, f"{largest} ({part:.0%})", f"{share:.0%}", last])
    columns = ["method", "largest part", "waited at the barrier", "last to finish (rounds)"]
    note = (
        "Waited at the barrier: for this share of a round a client, in the mean, had nothing to do."
    )
    by_round = [_round_by_round(run, about.label) for about in found]
    return [(chart, *by_round), Table("stragglers", "Stragglers and barriers", columns, rows, note)]


def _round_by_round(run: SavedRun, label: str) -> Chart:
    """Return the critical path of every round of a method, the first of them if there are many."""
    rows = run.rounds(label)[:MOST_ROUNDS]
    unit, factor = common_unit([_float(row["round_time_s"]) for row in rows], TIMES)
    names = [f"round {row['round']} ({row['kind']})" for row in rows]
    ends = [0.0] * len(rows)
    series = []
    for number, phase in enumerate(PHASES):
        values = [(_float(row[f"critical_{phase}_s"]) or 0.0) / factor for row in rows]
        if any(values):
            texts = [
                f"{name}: {NAMES[phase]} {significant(value)} {unit}<br>last: {row['straggler']}"
                for name, value, row in zip(names, values, rows, strict=True)
            ]
            series.append(Series(NAMES[phase], values, names, 0, list(ends), texts, phase=number))
            ends = [end + value for end, value in zip(ends, values, strict=True)]
    return Chart(
        "critical-path",
        "The critical path of a round",
        "stack",
        series,
        f"virtual time ({unit})",
        choice=f"{label}, round by round",
    )


def _timelines(run: SavedRun) -> tuple[Chart, ...]:
    charts = []
    for label in run.methods:
        for index in run.kept_rounds(label)[:4]:
            charts.append(_timeline(run, label, index))
    return tuple(charts)


def _timeline(run: SavedRun, label: str, index: int) -> Chart:
    log = run.intervals(label, index)
    row = next(r for r in run.rounds(label) if r["round"] == index)
    duration = float(row["round_time_s"] or 0.0)
    begun = float(row["virtual_time_s"] or 0.0) - duration
    unit, factor = common_unit([duration], TIMES)
    names = [str(name) for name in run.events["actor_names"]]
    server = names.index("server")
    actors = np.where(log["actor"] == server, log["peer"], log["actor"])
    clients = sorted({int(a) for a in actors if a not in (server, -1)})
    left_out = ""
    counts = {c: int((actors == c).sum()) for c in clients}
    shown: list[int] = []
    total = 0
    for client in clients:
        total += counts[client]
        if total > MOST_BARS and shown:
            left_out = f" {len(clients) - len(shown)} more clients are not drawn."
            break
        shown.append(client)
    series = []
    lanes = {
        Kind.DEVICE_COMPUTE: "device",
        Kind.UPLINK: "uplink",
        Kind.DOWNLINK: "downlink",
        Kind.OFFLINE: "device",
    }
    for kind in Kind:
        rows = np.flatnonzero((log["kind"] == kind) & np.isin(actors, [*shown, server, -1]))
        if not len(rows):
            continue
        starts = (log["start"][rows] - begun) / factor
        lengths = (log["end"][rows] - log["start"][rows]) / factor
        at, texts = [], []
        for i, start, length in zip(rows, starts, lengths, strict=True):
            who = names[int(actors[i])] if actors[i] >= 0 else "server"
            lane = "server" if kind == Kind.SERVER_COMPUTE else "server's queue"
            lane = f"{who}: {lanes[kind]}" if kind in lanes else lane
            what = Label(int(log["label"][i])).name.lower()
            sent = int(log["wire_bytes"][i])
            size = f"<br>{quantity(sent, BYTES)} on the wire" if sent else ""
            at.append(lane)
            texts.append(
                f"{who}: {what}<br>{significant(float(start), 4)} + "
                f"{significant(float(length))} {unit}{size}"
            )
        series.append(
            Series(
                NAMES[PHASES[kind]],
                lengths.tolist(),
                at,
                0,
                starts.tolist(),
                texts,
                phase=int(kind),
            )
        )
    series = _in_lanes(series)
    choice = f"{label}, round {index} ({row['kind']})"
    return Chart(
        "timeline",
        "Who did what, when",
        "gantt",
        series,
        f"virtual time since the round began ({unit})",
        choice=choice,
        note=f"Drag to zoom, double click to zoom out.{left_out}",
    )


def _in_lanes(series: list[Series]) -> list[Series]:
    """Return the series so that lanes first come in order: the server, then client by client."""
    lanes = list(dict.fromkeys(lane for one in series for lane in one.y))
    order = {"device": 0, "uplink": 1, "downlink": 2}

    def key(lane: str) -> tuple[int, str, int]:
        who, _, what = lane.rpartition(": ")
        return (1, who, order.get(what, 3)) if who else (0, lane, 0)

    lanes.sort(key=key)
    first = Series("", [0.0] * len(lanes), lanes, 0, [0.0] * len(lanes), [""] * len(lanes))
    return [first, *series]


def _links_and_energy(run: SavedRun) -> list[Any]:
    parts: list[Any] = []
    rows = run.table("links")
    labels = list(run.methods)
    busiest: dict[str, float] = {}
    for row in rows:
        share = float(row["utilisation"] or 0.0)
        busiest[str(row["link"])] = max(busiest.get(str(row["link"]), 0.0), share)
    links = sorted(busiest, key=lambda name: -busiest[name])[:MOST_LINKS]
    if links:
        at = {(str(r["label"]), str(r["link"])): r["utilisation"] for r in rows}
        cells = [[_float(at.get((label, link))) for label in labels] for link in links]
        marks = [["-" if v is None else f"{v:.0%}" for v in row] for row in cells]
        more = len(busiest) - len(links)
        note = "The share of its capacity that a link carried over the whole run."
        note += f" {more} less busy ones are in links.csv." if more > 0 else ""
        grid = Series("", labels, links)
        parts.append(
            (Chart("links", "Links in use", "heat", [grid], cells=cells, marks=marks, note=note),)
        )
    devices: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in run.table("devices"):
        devices.setdefault((str(row["label"]), str(row["device"])), []).append(row)
    if devices:
        table = []
        for (label, device), members in devices.items():
            energy = _mean([m["energy_j"] for m in members])
            idle = _mean([m["idle_fraction"] for m in members])
            table.append(
                [
                    label,
                    device,
                    str(len(members)),
                    _percent(idle),
                    "not known" if energy is None else f"{significant(energy)} J",
                ]
            )
        columns = ["method", "device", "clients", "idle", "energy of one, mean"]
        note = "In the rounds that a client took part in. What a radio needs is not known for every"
        note += " device: the energy is then a lower bound."
        parts.append(Table("devices", "Devices", columns, table, note))
    return parts


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


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

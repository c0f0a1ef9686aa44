"""Rounds of a run as timelines: who did what, when."""

import numpy as np

from cutlayer.sim.log.intervals import PHASES, Activity, Phase
from cutlayer.sim.report.charts import Chart, Series
from cutlayer.sim.results.critical_path import NAMES, round_row
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit, quantity, significant

MOST_BARS = 2500  # beyond, clients are left out


def timelines(run: SavedRun) -> tuple[Chart, ...]:
    """Return a timeline of each method's kept rounds, the first four of them."""
    charts = []
    for label in run.methods:
        for index in run.kept_rounds(label)[:4]:
            charts.append(_timeline(run, label, index))
    return tuple(charts)


def _timeline(run: SavedRun, label: str, index: int) -> Chart:
    log = run.intervals(label, index)
    row = round_row(run, label, index)
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
        Phase.DEVICE_COMPUTE: "device",
        Phase.UPLINK: "uplink",
        Phase.DOWNLINK: "downlink",
        Phase.OFFLINE: "device",
    }
    for phase in Phase:
        rows = np.flatnonzero((log["phase"] == phase) & np.isin(actors, [*shown, server, -1]))
        if not len(rows):
            continue
        starts = (log["start"][rows] - begun) / factor
        lengths = (log["end"][rows] - log["start"][rows]) / factor
        at, texts = [], []
        for i, start, length in zip(rows, starts, lengths, strict=True):
            who = names[int(actors[i])] if actors[i] >= 0 else "server"
            lane = "server" if phase == Phase.SERVER_COMPUTE else "server's queue"
            lane = f"{who}: {lanes[phase]}" if phase in lanes else lane
            what = Activity(int(log["activity"][i])).name.lower()
            sent = int(log["wire_bytes"][i])
            size = f"\n{quantity(sent, BYTES)} on the wire" if sent else ""
            at.append(lane)
            texts.append(
                f"{who}: {what}\n{significant(float(start), 4)} + "
                f"{significant(float(length))} {unit}{size}"
            )
        series.append(
            Series(
                NAMES[PHASES[phase]],
                lengths.tolist(),
                at,
                0,
                starts.tolist(),
                texts,
                phase=int(phase),
            )
        )
    series = _in_lanes(series)
    choice = f"{label}, round {index} ({row['round_type']})"
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

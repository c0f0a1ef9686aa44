"""Timelines of a run's kept rounds: when each client, link and server slot was busy.

The timeline of a window of an asynchronous method has marks at its folds, with their versions, and two
further types of bars, from updates.csv: an update that waits in the server's buffer, and one that
continues after the window, whose intervals belong to the window in which they end.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import PHASES, Activity, Phase
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.critical_path import NAMES, critical_rows, round_row
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.results.update_life import BUFFER, Life, lives_of
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.names import natural_order
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit, quantity, significant
from cutlayer.sim.views.style import LIGHT_GREEN, PURPLE, needs_log
from cutlayer.topologies.units import format_duration

MOST_BARS = 2500  # beyond, clients are left out
MOST_ROUNDS = 4  # of a method
MOST_FOLDS = 200  # marked
BUFFERED = "in the buffer"
UNFINISHED = "goes on after the window"


def timelines(
    run: SavedRun, rounds: int = MOST_ROUNDS, clients: int | None = None
) -> tuple[Chart, ...]:
    """Return a timeline of each method's first kept rounds, of the first clients.

    The timelines of a figure, one per method, share a time axis unless their rounds differ much in
    length.
    """
    kept = {label: run.kept_rounds(label)[:rounds] for label in run.methods}
    times = [float(round_row(run, m, i)["round_time_s"] or 0.0) for m in kept for i in kept[m]]
    shared = rounds == 1 and not needs_log(times)
    charts = []
    for label in run.methods:
        for index in kept[label]:
            charts.append(_timeline(run, label, index, clients, max(times) if shared else None))
    return tuple(charts)


def _timeline(
    run: SavedRun, label: str, index: int, most: int | None, span_s: float | None
) -> Chart:
    log = run.intervals(label, index)
    row = round_row(run, label, index)
    duration = float(row["round_time_s"] or 0.0)
    begun = float(row["virtual_time_s"] or 0.0) - duration
    unit, factor = common_unit([duration if span_s is None else span_s], TIMES)
    names = [str(name) for name in run.events["actor_names"]]
    server = names.index("server")
    on_node = np.isin(log["phase"], (Phase.SERVER_QUEUE, Phase.SERVER_COMPUTE))
    nodes = [server, *np.unique(log["actor"][on_node])]  # and edge nodes that compute
    of_peer = np.isin(log["actor"], nodes) & (log["phase"] != Phase.UPLINK)
    actors = np.where(of_peer, log["peer"], log["actor"])
    clients = sorted({int(a) for a in actors if a not in (server, -1)})
    totals = np.cumsum([np.count_nonzero(actors == client) for client in clients])
    window = run.noun(label) == WINDOW
    limit = len(clients) if most is None else most
    shown = [c for i, c in enumerate(clients) if i == 0 or (totals[i] <= MOST_BARS and i < limit)]
    hidden = len(clients) - len(shown)
    more = "1 more client is" if hidden == 1 else f"{hidden} more clients are"
    left_out = f" {more} not shown." if hidden else ""
    critical = set(critical_rows(run, label, index))
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
        starts = np.maximum(log["start"][rows] - begun, 0.0 if window else -np.inf) / factor
        lengths = np.maximum((log["end"][rows] - begun) / factor - starts, 0.0)
        at, texts, details = [], [], []
        for i, start, length in zip(rows, starts, lengths, strict=True):
            who = names[int(actors[i])] if actors[i] >= 0 else "server"
            place = names[int(log["actor"][i])] if log["actor"][i] >= 0 else "server"
            lane = f"{place}: {'slots' if phase == Phase.SERVER_COMPUTE else 'queue'}"
            lane = f"{who}: {lanes[phase]}" if phase in lanes else lane
            what = Activity(int(log["activity"][i])).name.lower()
            sent = int(log["wire_bytes"][i])
            size = f"\n{quantity(sent, BYTES)} on the wire" if sent else ""
            at.append(lane)
            texts.append(
                f"{who}: {what}\n{significant(float(start), 4)} + "
                f"{significant(float(length))} {unit}{size}"
            )
            details.append("\n".join(_details(log, names, int(i), begun, duration, i in critical)))
        series.append(
            Series(
                NAMES[PHASES[phase]],
                lengths.tolist(),
                at,
                0,
                starts.tolist(),
                texts,
                details,
                phase=int(phase),
            )
        )
    noun, named = "round", f"round {index} ({row['round_type']})"
    marks: tuple[tuple[float, str], ...] = ()
    note = ""
    if window:
        noun = WINDOW
        named = f"window {index}"
        lives = [
            life
            for life in lives_of(run, label)
            if life.start_s < begun + duration and life.end_s > begun
        ]
        marks = _folds(lives, begun, duration, factor)
        known = {names[client] for client in shown}
        series += _of_updates(
            [life for life in lives if life.row["client"] in known],
            _last_ends(log, actors, names),
            (begun, duration, factor),
        )
        note = " Dotted lines: folds, with the server's version."
    series = _in_lanes(series)
    choice = f"{label}, {named}, {quantity(duration, TIMES)}"
    if left_out and most:
        choice += f"; {left_out.strip(' .')}"
    return Chart(
        "timeline",
        f"Timeline of a {noun}",
        "gantt",
        series,
        f"virtual time in the {noun} ({unit})",
        choice=choice,
        lines_at=marks,
        x_end=None if span_s is None else span_s / factor,
        note="Click an interval for its details. Drag to zoom in, double click to zoom out."
        f"{note}{left_out}",
    )


def _folds(
    lives: Sequence[Life], begun: float, duration: float, factor: float
) -> tuple[tuple[float, str], ...]:
    """Return the time and number of each version of a window; if there are many, only some."""
    versions = {
        int(life.row["version"]): life.end_s
        for life in lives
        if life.row["version"] is not None and life.end_s <= begun + duration
    }
    apart = duration / MOST_FOLDS if len(versions) > MOST_FOLDS else 0.0
    marks, last = [], -np.inf
    for version, at in sorted(versions.items()):
        if at - last >= apart:
            marks.append(((at - begun) / factor, f"v{version}"))
            last = at
    return tuple(marks)


def _last_ends(
    log: Mapping[str, NDArray[Any]], actors: NDArray[Any], names: Sequence[str]
) -> dict[str, float]:
    """Return when each client's last interval ended."""
    ends: dict[str, float] = {}
    for actor, end in zip(actors.tolist(), (log["end"] + log["delay"]).tolist(), strict=True):
        if actor >= 0:
            ends[names[actor]] = max(ends.get(names[actor], 0.0), end)
    return ends


def _of_updates(
    lives: Sequence[Life], last_ends: Mapping[str, float], scale: tuple[float, float, float]
) -> list[Series]:
    """Return the bars of updates in the buffer, and of those that continue after a window."""
    begun, duration, factor = scale
    close = begun + duration
    spans: dict[str, list[tuple[Life, float, float]]] = {BUFFERED: [], UNFINISHED: []}
    for life in lives:
        arrived = life.row["uploaded_s"]
        if not life.dropped and dict(life.phases).get(BUFFER):
            spans[BUFFERED].append((life, float(arrived or 0.0), min(life.end_s, close)))
        if not life.dropped and float(arrived or 0.0) > close:
            since = max(life.start_s, last_ends.get(str(life.row["client"]), 0.0))
            spans[UNFINISHED].append((life, since, close))
    series = []
    for (name, found), colour, lane in zip(
        spans.items(), (PURPLE, LIGHT_GREEN), ("buffer", "device"), strict=True
    ):
        cut = [(life, max(start - begun, 0.0), end - begun) for life, start, end in found]
        cut = [(life, start, end) for life, start, end in cut if end > start]
        if cut:
            texts = [
                f"{life.row['client']}: update {life.row['update']}\n{name}" for life, *_ in cut
            ]
            series.append(
                Series(
                    name,
                    [(end - start) / factor for _, start, end in cut],
                    [f"{life.row['client']}: {lane}" for life, *_ in cut],
                    0,
                    [start / factor for _, start, _ in cut],
                    texts,
                    [
                        f"{text}\nstaleness {life.row['staleness']}, version {life.row['version']}"
                        for text, (life, *_) in zip(texts, cut, strict=True)
                    ],
                    colour=colour,
                )
            )
    return series


def _details(
    log: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    row: int,
    begun: float,
    duration: float,
    critical: bool,
) -> Iterator[str]:
    """Yield what is known of an interval, a line each."""
    start, end = float(log["start"][row]), float(log["end"][row])
    yield _named(log, names, row)
    yield f"from {_since(begun, start)} to {_since(begun, end)}"
    share = f", {(end - start) / duration:.2%} of the round" if duration else ""
    yield f"took {format_duration(end - start, 6)}{share}"
    if sent := int(log["wire_bytes"][row]):
        yield f"{sent:,} bytes on the wire, {int(log['payload_bytes'][row]):,} of payload"
    if log["dropped"][row]:
        yield "cut off: the client dropped out or was cancelled"
    if log["flops"][row]:
        yield f"{float(log['flops'][row]):.4g} FLOPs"
    cause = int(log["cause"][row])
    if cause >= 0:
        ended = _since(begun, float(log["end"][cause]))
        yield f"began after {_named(log, names, cause)}, which ended at {ended}"
    yield "on the critical path" if critical else "not on the critical path"


def _since(begun: float, time: float) -> str:
    """Return a time in the round, whose beginning is a rounded difference of two times."""
    return format_duration(max(0.0, time - begun), 6)


def _named(log: Mapping[str, NDArray[Any]], names: Sequence[str], row: int) -> str:
    """Return an interval as text: its phase, its activity and whose it is."""
    actor, peer = int(log["actor"][row]), int(log["peer"][row])
    who = names[actor] if actor >= 0 else "server"
    other = f" of {names[peer]}" if who == "server" and peer >= 0 else ""
    activity = Activity(int(log["activity"][row])).name.lower()
    return f"{NAMES[PHASES[int(log['phase'][row])]]} of {who}: {activity}{other}"


def _in_lanes(series: list[Series]) -> list[Series]:
    """Return the series with the lanes in order: the server, then client by client."""
    lanes = list(dict.fromkeys(lane for one in series for lane in one.y))
    order = {"device": 0, "uplink": 1, "downlink": 2, "buffer": 3}

    def key(lane: str) -> tuple[int, tuple[tuple[int, str], ...], int]:
        who, _, what = lane.rpartition(": ")
        return int(who != "server"), natural_order(who), order.get(what, int(what == "queue"))

    lanes.sort(key=key)
    first = Series("", [0.0] * len(lanes), lanes, 0, [0.0] * len(lanes), [""] * len(lanes))
    return [first, *series]

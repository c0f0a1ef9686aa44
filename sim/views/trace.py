"""A run as a Chrome trace: open the file in Perfetto (ui.perfetto.dev) or chrome://tracing.

One process per method, with tracks for the rounds, the critical path, the server's slots and queue,
and each client's device, uplink and downlink. All rounds have a span; only kept rounds have
intervals. Times are virtual microseconds, to the nanosecond. The format is that of "Trace Event
Format" (Google): complete events "X", counters "C" of the load of links and media that several
clients use, flow events "s", "t", "f" (arrows from an activation's upload to the server's step and
on to the gradient's download), and metadata "M" for the names. An asynchronous method has windows
instead of rounds; each client also has a track of its updates that ended in kept windows, with their
phases inside, and the server's versions are instants "i". A viewer stores nanoseconds in 64
bits, 292 years: later intervals are left out; their number is next to the name of the method and
under "otherData".
"""

import json
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.files.atomic import whole_text
from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.log.intervals import NO_CAUSE, PHASES, SERVER, Activity, Phase
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.critical_path import closing_row
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.round import KeptRound, RoundResult
from cutlayer.sim.results.utilisation import load_steps
from cutlayer.sim.views.flows import batch_flows
from cutlayer.sim.views.lanes import assign_lanes
from cutlayer.sim.views.names import natural_order
from cutlayer.sim.views.trace_tracks import (
    CLIENTS,
    LAST_NS,
    QUEUE,
    SLOTS,
    Span,
    Track,
    add_updates,
    nanoseconds,
)

Event = dict[str, Any]


Flow = list[tuple[Track, Span]]

ROUNDS: Final = Track(0, (), 0, 0, "rounds")
CRITICAL_PATH: Final = Track(1, (), 0, 0, "critical path")
AIRTIME: Final = 1.0  # capacity of a medium that is measured in airtime, second for second


def write_trace(result: RunResult, path: Path) -> int:
    """Write all methods of `result` as one JSON file, one event a line.

    Returns how many intervals end too late to be shown and were left out.
    """
    left_out = 0
    with whole_text(path) as file:
        file.write('{"displayTimeUnit": "ms",\n"traceEvents": [\n')
        separator = ""
        for event in trace_events(result):
            file.write(separator + json.dumps(event, allow_nan=False))
            separator = ",\n"
            if event["name"] == "process_labels":
                left_out += event["args"]["left_out"]
        file.write("\n]")
        if left_out:
            note = {"left out": _left_out(left_out)}
            file.write(f',\n"otherData": {json.dumps(note)}')
        file.write("}\n")
    return left_out


def leaves_out(result: RunResult) -> bool:
    """Whether a trace of `result` lacks what ends too late to be shown."""
    ends = (method.virtual_time_s for method in result.methods.values())
    return any(nanoseconds(end) > LAST_NS for end in ends)


def trace_events(result: RunResult) -> Iterator[Event]:
    """Yield the events of all methods: names first, then intervals by track and time."""
    for process, method in enumerate(result.methods.values(), start=1):
        yield _metadata("process_name", process, 0, name=visible(method.label))
        yield _metadata("process_sort_index", process, 0, sort_index=process)
        tracks, flows, left_out = _tracks(method)
        if left_out:
            labels = f"left out: {_left_out(left_out)}"
            yield _metadata("process_labels", process, 0, labels=labels, left_out=left_out)
        threads = {track: thread for thread, track in enumerate(sorted(tracks), start=1)}
        for track, thread in threads.items():
            yield _metadata("thread_name", process, thread, name=visible(track.name))
            yield _metadata("thread_sort_index", process, thread, sort_index=thread)
        for track, thread in threads.items():
            # Of two events that start together, the longer one comes first and contains the other.
            for start, end, name, category, args in sorted(
                tracks[track], key=lambda span: (span[0], -span[1])
            ):
                event: Event = {"pid": process, "tid": thread, "ts": start / 1000}
                event |= {"name": name, "cat": category, "args": args}
                if category == "version":
                    yield {"ph": "i", "s": "t"} | event
                else:
                    yield {"ph": "X", "dur": (end - start) / 1000} | event
        for number, flow in enumerate(flows):
            yield from _arrows(process, threads, number, flow)
        yield from _counters(process, method)


def _arrows(
    process: int, threads: dict[Track, int], number: int, flow: Sequence[tuple[Track, Span]]
) -> Iterator[Event]:
    """Yield one flow, from the end of the first interval to the starts of the others.

    A viewer binds an arrow to the interval at its time; a nanosecond keeps it inside.
    """
    for index, (track, (start, end, *_)) in enumerate(flow):
        last = index == len(flow) - 1
        event = {
            "ph": "s" if index == 0 else "f" if last else "t",
            "pid": process,
            "tid": threads[track],
            "ts": (max(start, end - 1) if index == 0 else start) / 1000,
            "id": process * 10**9 + number,
            "name": "batch",
            "cat": "flow",
        }
        yield event | {"bp": "e"} if last else event


def _counters(process: int, method: MethodResult) -> Iterator[Event]:
    """Yield the loads of shared links in kept rounds: bytes/s with headers, or the share of airtime.

    A value holds until the next one of its name; at a round's end it is 0.
    """
    names = dict.fromkeys(name for kept in method.kept for name in kept.record.loads)
    for name in names:
        before = 0.0
        for kept in method.kept:
            series = kept.record.loads.get(name)
            if series is None:
                continue
            unit = "airtime" if (series.capacity == AIRTIME).all() else "bytes_per_s"
            steps = load_steps(series, kept.record.duration_s)
            for at, load in zip(steps.times.tolist(), [*steps.values.tolist(), 0.0], strict=True):
                if load != before and nanoseconds(kept.start_s + at) <= LAST_NS:
                    before = load
                    yield {
                        "ph": "C",
                        "pid": process,
                        "tid": 0,
                        "ts": nanoseconds(kept.start_s + at) / 1000,
                        "name": f"load of {visible(name)}",
                        "args": {unit: load},
                    }


def _tracks(method: MethodResult) -> tuple[dict[Track, list[Span]], list[Flow], int]:
    """Return the intervals of each track, the flows, and how many intervals end too late."""
    rounds = list(_round_spans(method.rounds, method.noun))
    top = ROUNDS._replace(name=f"{method.noun}s")
    tracks: dict[Track, list[Span]] = {top: [span for span in rounds if span[1] <= LAST_NS]}
    left_out = len(rounds) - len(tracks[top])
    if method.noun == WINDOW:
        left_out += add_updates(tracks, method)
    flows: list[Flow] = []
    for kept in method.kept:
        added, late = _add_intervals(tracks, kept)
        flows += added
        left_out += late
    return tracks, flows, left_out


def _round_spans(rounds: Sequence[RoundResult], noun: str) -> Iterator[Span]:
    before = 0
    for rnd in rounds:
        end = nanoseconds(rnd.virtual_time_s)
        start = max(before, nanoseconds(rnd.virtual_time_s - rnd.round_time_s))
        accuracy = rnd.accuracy
        yield (
            start,
            end,
            f"{noun} {rnd.index}" + (f" ({rnd.round_type})" if noun == "round" else ""),
            noun,
            {
                "round": rnd.index,
                "round_type": rnd.round_type,
                **({"updates": rnd.clients, "version": rnd.version} if noun == WINDOW else {}),
                "clients": rnd.clients,
                "wire_bytes_up": rnd.wire_up,
                "wire_bytes_down": rnd.wire_down,
                "accuracy": accuracy if accuracy is not None and isfinite(accuracy) else None,
                **(rnd.metrics or {}),
                "straggler": rnd.straggler,
                "critical_path_s": {phase: rnd.critical_path_s[phase] for phase in PHASES},
            },
        )
        before = end


def _add_intervals(tracks: dict[Track, list[Span]], kept: KeptRound) -> tuple[list[Flow], int]:
    log = kept.record.intervals
    start = [nanoseconds(kept.start_s + t) for t in log.start.tolist()]
    end = [nanoseconds(kept.start_s + t) for t in log.end.tolist()]
    shown = np.array([moment <= LAST_NS for moment in end], dtype=bool)
    spans = [_span(kept, row, start[row], end[row]) for row in range(len(log))]
    track_of: dict[int, Track] = {}
    for every, first in _actors(kept):
        rows = every[shown[every]].tolist()
        lanes = assign_lanes([start[row] for row in rows], [end[row] for row in rows])
        for row, lane in zip(rows, lanes.tolist(), strict=True):
            name = f"{first.name} {lane + 1}" if lane or first.group != CLIENTS else first.name
            track = first._replace(lane=lane, name=name)
            tracks.setdefault(track, []).append(spans[row])
            track_of[row] = track
    path = tracks.setdefault(CRITICAL_PATH, [])
    following = nanoseconds(kept.start_s + kept.record.duration_s)
    first_ns = nanoseconds(kept.start_s)  # a window's path is clipped
    at_end = np.zeros_like(log.end)
    row = closing_row(log.end, at_end, log.activity, kept.round_type)
    while row != NO_CAUSE and following > first_ns:
        begins, ends, _, phase, args = spans[row]
        begins = max(begins, first_ns)
        if shown[row]:
            path.append((begins, max(begins, min(ends, following)), phase, phase, args))
        following, row = begins, int(log.cause[row])
    flows = [
        [(track_of[row], spans[row]) for row in flow if row in track_of]
        for flow in batch_flows(log)
    ]
    return [flow for flow in flows if len(flow) > 1], int(np.count_nonzero(~shown))


def _actors(kept: KeptRound) -> Iterator[tuple[NDArray[np.intp], Track]]:
    """Yield for each actor and link: its rows and the first of its tracks."""
    log = kept.record.intervals
    for index, node in enumerate(("server", *kept.edges)):
        order = natural_order(node) if index else ()
        for phase, group, name in (
            (Phase.SERVER_COMPUTE, SLOTS, "slot"),
            (Phase.SERVER_QUEUE, QUEUE, "queue"),
        ):
            rows = np.flatnonzero((log.phase == phase) & (log.actor == SERVER - index))
            yield rows, Track(group, order, 0, 0, f"{node} {name}")
    to_peer = (log.phase == Phase.DOWNLINK) | ((log.phase == Phase.OFFLINE) & (log.actor < 0))
    end_of = np.where(to_peer, log.peer, log.actor)
    nodes = {SERVER - 1 - index: name for index, name in enumerate(kept.edges)}
    names = {**dict(enumerate(kept.participants)), **nodes}
    for part, (phase, name) in enumerate(
        (
            (Phase.DEVICE_COMPUTE, "device"),
            (Phase.UPLINK, "uplink"),
            (Phase.DOWNLINK, "downlink"),
            (Phase.OFFLINE, "offline"),
        )
    ):
        rows = np.flatnonzero(log.phase == phase)
        for number, owner in names.items():
            if number >= 0 or phase in (Phase.UPLINK, Phase.DOWNLINK):
                track = Track(CLIENTS, natural_order(owner), part, 0, f"{owner}: {name}")
                yield rows[end_of[rows] == number], track


def _span(kept: KeptRound, row: int, start: int, end: int) -> Span:
    log = kept.record.intervals
    phase, activity = Phase(int(log.phase[row])), Activity(int(log.activity[row])).name.lower()
    member = int(log.peer[row] if log.actor[row] < 0 else log.actor[row])
    args: dict[str, Any] = {"round": kept.index, "activity": activity}
    if member >= 0:
        args["client"] = kept.participants[member]
    if phase in (Phase.UPLINK, Phase.DOWNLINK):
        args["wire_bytes"] = int(log.wire_bytes[row])
        args["payload_bytes"] = int(log.payload_bytes[row])
        args["dropped"] = bool(log.dropped[row])
    else:
        args["flops"] = float(log.flops[row])
    return start, end, activity, PHASES[phase], args


def _left_out(count: int) -> str:
    return f"{count} intervals that end after 292 years of virtual time (2^63 ns)"


def _metadata(kind: str, process: int, thread: int, **args: Any) -> Event:
    return {"ph": "M", "pid": process, "tid": thread, "name": kind, "args": args}

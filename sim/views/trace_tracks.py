"""The tracks of a trace, its times in whole nanoseconds, and the updates of asynchronous methods."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.update_life import Life, lives
from cutlayer.sim.views.lanes import assign_lanes
from cutlayer.sim.views.names import natural_order

Span = tuple[int, int, str, str, dict[str, Any]]  # start ns, end ns, name, category, arguments


class Track(NamedTuple):
    """A thread of the trace; the fields before its name order it among the others."""

    group: int
    client: tuple[tuple[int, str], ...]
    part: int
    lane: int
    name: str


SLOTS, QUEUE, CLIENTS = 2, 3, 4  # the other groups
LAST_NS: Final = 2**63 - 1  # 292 years
BEYOND_NS: Final = 2**63  # any later time
VERSIONS: Final = Track(0, (), 1, 0, "server versions")


def add_updates(tracks: dict[Track, list[Span]], method: MethodResult) -> int:
    """Add the updates that ended in kept windows, and the versions; return how many end too late."""
    kept = {one.index for one in method.kept}
    found = [
        life
        for life in lives(method.rows_of("updates"), method.traffic())
        if life.row["window"] in kept
    ]
    shown = [life for life in found if nanoseconds(life.end_s) <= LAST_NS]
    versions = {int(life.row["version"]): life.end_s for life in shown if life.row["version"]}
    tracks[VERSIONS] = [
        (nanoseconds(at), nanoseconds(at), f"version {number}", "version", {"version": number})
        for number, at in versions.items()
    ]
    by_client: dict[str, list[Life]] = {}
    for life in shown:
        by_client.setdefault(str(life.row["client"]), []).append(life)
    for client, own in by_client.items():
        first = Track(CLIENTS, natural_order(client), -1, 0, f"{client}: updates")
        starts = [nanoseconds(life.start_s) for life in own]
        lanes = assign_lanes(starts, [nanoseconds(life.end_s) for life in own])
        for life, lane in zip(own, lanes.tolist(), strict=True):
            name = f"{first.name} {lane + 1}" if lane else first.name
            track = first._replace(lane=lane, name=name)
            tracks.setdefault(track, []).extend(_life_spans(life))
    return len(found) - len(shown)


def _life_spans(life: Life) -> Iterator[Span]:
    """Yield an update as a span, and its stages as spans inside it."""
    row, at = life.row, life.start_s
    names = ("client", "window", "read_version", "version", "staleness", "weight")
    args: dict[str, Any] = {name: row[name] for name in names}
    args |= {"dropped": life.dropped, "idle_before_s": life.idle_s}
    end = nanoseconds(life.end_s)
    yield nanoseconds(at), end, f"update {row['update']}", "update", args
    for name, seconds in life.stages:
        start, at = nanoseconds(at), at + seconds
        yield start, min(nanoseconds(at), end), name, "update phase", {"update": row["update"]}


def nanoseconds(seconds: float) -> int:
    """Return a time in whole nanoseconds, BEYOND_NS for whatever is later than LAST_NS."""
    return round(seconds * 1e9) if seconds * 1e9 < BEYOND_NS else BEYOND_NS

"""The lives of an asynchronous method's updates, phase by phase, from updates.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import SavedRun

DOWNLOAD: Final = "download"
COMPUTE: Final = "device compute"
UPLOAD: Final = "upload"
EXCHANGE: Final = "transfers and server compute"  # of a method that sends activations
QUEUE: Final = "server queue"
INTERLEAVED: Final = (COMPUTE, EXCHANGE, QUEUE)
TRAINING: Final = "training with the server"
BUFFER: Final = "in the buffer, until folded"
FOLD: Final = "until folded"


@dataclass(frozen=True)
class Life:
    """An update from its dispatch to its fold.

    Times are virtual seconds of the run. `idle_s` is the idle time of its client since its previous
    update, or since the start. The seconds of the `phases` add up to those of the life. If the client
    dropped out, only download and computing are known.
    """

    row: Row
    idle_s: float
    phases: tuple[tuple[str, float], ...]

    @property
    def start_s(self) -> float:
        """When it was dispatched."""
        return _seconds(self.row["dispatched_s"])

    @property
    def end_s(self) -> float:
        """When it was folded or, of a dropped update, the end of its last known phase."""
        folded_s = self.row.get("folded_s")
        return self.start_s + self.seconds if folded_s is None else _seconds(folded_s)

    @property
    def seconds(self) -> float:
        """The length of its life."""
        return sum(seconds for _, seconds in self.phases)

    @property
    def stages(self) -> tuple[tuple[str, float], ...]:
        """The phases in the order of time; those that alternate with the server's answers are one."""
        if EXCHANGE not in dict(self.phases):
            return self.phases
        turns = sum(seconds for name, seconds in self.phases if name in INTERLEAVED)
        others = [phase for phase in self.phases if phase[0] not in INTERLEAVED]
        place = int(bool(others) and others[0][0] == DOWNLOAD)
        return (*others[:place], (TRAINING, turns), *others[place:])

    @property
    def dropped(self) -> bool:
        """Whether its client dropped out."""
        return bool(self.row["dropped"])


def lives_of(run: SavedRun, label: str) -> list[Life]:
    """Return the lives of a method's updates, in the order in which they ended; none with rounds."""
    return lives(run.updates(label), run.methods[label].get("traffic", {}))


def lives(rows: Sequence[Row], traffic: Mapping[str, Any]) -> list[Life]:
    """Return the lives of rows of updates.csv; `traffic` is the method's entry in summary.json."""
    exchanges = _sends_activations(traffic)
    last: dict[object, float] = {}  # by version: when the last of its updates arrived
    for row in rows:
        arrived_s = _seconds(row["uploaded_s"])
        last[row["version"]] = max(last.get(row["version"], 0.0), arrived_s)
    previous: dict[object, Row] = {}
    found = []
    for row in sorted(rows, key=lambda row: _seconds(row["update"])):
        before = previous.get(row["client"])
        previous[row["client"]] = row
        closes = _seconds(row["uploaded_s"]) == last[row["version"]]
        phases = _phases(row, exchanges, closes)
        idle_s = max(0.0, _seconds(row["dispatched_s"]) - _released_s(before, row))
        found.append(Life(row, idle_s, tuple((name, s) for name, s in phases if s > 0)))
    place = {row["update"]: number for number, row in enumerate(rows)}
    return sorted(found, key=lambda life: place[life.row["update"]])


def _sends_activations(traffic: Mapping[str, Any]) -> bool:
    """Whether clients send activations, so that the server computes for their batches."""
    return bool(traffic.get("up", {}).get("activations", {}).get("wire_bytes", 0))


def _released_s(before: Row | None, row: Row) -> float:
    """Return when a client became idle after its previous update, 0 if it had none."""
    if before is None:
        return 0.0
    ends = [_seconds(before[key]) for key in ("folded_s", "uploaded_s") if before[key] is not None]
    return max((end for end in ends if end <= _seconds(row["dispatched_s"])), default=0.0)


def _phases(row: Row, exchanges: bool, closes: bool) -> Sequence[tuple[str, float]]:
    """Return the phases of an update, some of 0 s; `closes` says that its fold waited for it."""
    start, computing = _seconds(row["dispatched_s"]), _seconds(row["computing_s"])
    if row["downloaded_s"] is None or row["uploaded_s"] is None or row["folded_s"] is None:
        downloaded = start if row["downloaded_s"] is None else _seconds(row["downloaded_s"])
        return (DOWNLOAD, downloaded - start), (COMPUTE, computing)
    downloaded, uploaded = _seconds(row["downloaded_s"]), _seconds(row["uploaded_s"])
    queue, folding = _seconds(row["queued_s"]), _seconds(row["folded_s"]) - uploaded
    moving = uploaded - downloaded - computing
    if exchanges:
        queue = min(queue, moving)
        moving -= queue
    else:
        queue = min(queue, folding)
        folding -= queue
    return (
        (DOWNLOAD, downloaded - start),
        (COMPUTE, computing),
        (EXCHANGE if exchanges else UPLOAD, max(0.0, moving)),
        (QUEUE, queue),
        (FOLD if closes else BUFFER, folding),
    )


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

"""What a run gives back: plain dataclasses, tables that pandas reads, and the contract of summary.json.

What was not trained or not measured is None, never 0. Times are virtual seconds; `wire` bytes are what
every table compares, `payload` bytes the tensors and labels alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sim.log import PHASES
from sim.record import RoundRecord
from sim.usage import Key, Total

Status = Literal["complete", "stopped"]
Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class KeptRound:
    """A round whose full intervals are kept: its number, kind, beginning and clients (by slot).

    `links` names the resources that are used in it.
    """

    index: int
    kind: str
    start_s: float
    participants: tuple[str, ...]
    record: RoundRecord
    links: Mapping[Key, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundResult:
    """One closed round of one method. `virtual_time_s` is when it closed.

    `waited_s` is how long it could not begin because nobody was online; `wasted_bytes` are wire
    bytes of transfers that were cut off, counted in the wire bytes too. `utilisation` has the shares
    of capacity that were used of the first shared links and, on average, of the access links in use.
    """

    index: int
    kind: str
    clients: int
    round_time_s: float
    virtual_time_s: float
    additive_round_time_s: float
    wire_up: int
    wire_down: int
    payload_up: int
    payload_down: int
    critical_path_s: Mapping[str, float]
    additive_s: Mapping[str, float]
    straggler: str | None
    accuracy: float | None = None
    waited_s: float = 0.0
    clients_lost: int = 0
    wasted_bytes: int = 0
    server_jobs: int = 0
    server_wait_s: float = 0.0  # of all jobs together
    longest_server_wait_s: float = 0.0
    utilisation: Mapping[str, float] = field(default_factory=dict)

    def row(self, label: str, method: str) -> Row:
        """Return the round as a row of rounds.csv."""
        wire, payload = self.wire_up + self.wire_down, self.payload_up + self.payload_down
        return {
            "label": label,
            "method": method,
            "round": self.index,
            "kind": self.kind,
            "clients": self.clients,
            "clients_lost": self.clients_lost,
            "virtual_time_s": self.virtual_time_s,
            "waited_s": self.waited_s,
            "round_time_s": self.round_time_s,
            "additive_round_time_s": self.additive_round_time_s,
            "wire_bytes_up": self.wire_up,
            "wire_bytes_down": self.wire_down,
            "wire_bytes_per_client_round": wire / self.clients if self.clients else None,
            "payload_bytes_up": self.payload_up,
            "payload_bytes_down": self.payload_down,
            "payload_bytes_per_client_round": payload / self.clients if self.clients else None,
            "wasted_bytes": self.wasted_bytes,
            "server_jobs": self.server_jobs,
            "server_wait_mean_s": self.server_wait_s / self.server_jobs
            if self.server_jobs
            else None,
            "server_wait_max_s": self.longest_server_wait_s if self.server_jobs else None,
            **{f"critical_{phase}_s": self.critical_path_s[phase] for phase in PHASES},
            "straggler": self.straggler,
            "accuracy": self.accuracy,
        }


@dataclass
class MethodResult:
    """One method's run. `busy_s` sums over clients, and over server slots; likewise `available_s`.

    `links` is what was used of each link and medium, `capacity_s` what there was: its capacity
    (bytes/s, or 1 of airtime) integrated over the run; `link_clients` how many clients have it on
    their ways.
    """

    label: str
    method: str
    seed: int
    targets: tuple[float, ...]
    rounds: list[RoundResult] = field(default_factory=list)
    kept: list[KeptRound] = field(default_factory=list)
    learning_digest: str | None = None
    weights_digest: str | None = None
    event_digest: str = ""
    coarse: tuple[str, ...] = ()
    links: dict[str, Total] = field(default_factory=dict)
    capacity_s: dict[str, float] = field(default_factory=dict)
    link_clients: dict[str, int] = field(default_factory=dict)
    clients_busy_s: float = 0.0
    clients_available_s: float = 0.0
    server_busy_s: float = 0.0
    server_available_s: float = 0.0
    reused_rounds: int = 0
    diverged_in_round: int | None = None  # the first evaluation that found weights not finite
    ended: str | None = None  # why the run ended before its rounds, if no limit was reached

    @property
    def virtual_time_s(self) -> float:
        """When the last round closed."""
        return self.rounds[-1].virtual_time_s if self.rounds else 0.0

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Accuracy over virtual time: pairs (virtual time, accuracy)."""
        return [(r.virtual_time_s, r.accuracy) for r in self.rounds if r.accuracy is not None]

    @property
    def wire_bytes(self) -> int:
        """All bytes that travelled, both directions."""
        return sum(r.wire_up + r.wire_down for r in self.rounds)

    def time_to(self, accuracy: float) -> float | None:
        """Return the virtual time at which an evaluation first reached `accuracy`, or None."""
        return next((time for time, value in self.curve if value >= accuracy), None)

    def summary(self, others: Mapping[str, "MethodResult"]) -> dict[str, Any]:
        """Return this method's entry of summary.json, compared with the `others`."""
        times = np.array([r.round_time_s for r in self.rounds])
        curve = self.curve
        return {
            "method": self.method,
            "rounds": len(self.rounds),
            "virtual_time_s": self.virtual_time_s,
            "round_time_s": {
                "mean": float(times.mean()) if len(times) else None,
                "p50": float(np.percentile(times, 50)) if len(times) else None,
                "p95": float(np.percentile(times, 95)) if len(times) else None,
            },
            "wire_bytes": self._bytes("wire"),
            "payload_bytes": self._bytes("payload"),
            "accuracy": {"final": curve[-1][1], "best": max(v for _, v in curve)}
            if curve
            else None,
            "curve": [list(point) for point in curve],
            "time_to_accuracy_s": {str(t): self.time_to(t) for t in self.targets},
            "learning_digest": self.learning_digest,
            "weights_digest": self.weights_digest,
            "event_digest": self.event_digest,
            "additive_round_time_s": (
                float(np.mean([r.additive_round_time_s for r in self.rounds]))
                if self.rounds
                else None
            ),
            "energy_j": None,
            "server_wait_s": self._server_wait(),
            "idle_fraction": {
                "clients": _idle(self.clients_busy_s, self.clients_available_s),
                "server": _idle(self.server_busy_s, self.server_available_s),
            },
            "diverged_in_round": self.diverged_in_round,
            "ended": self.ended,
            "clients_lost": sum(r.clients_lost for r in self.rounds),
            "wasted_bytes": sum(r.wasted_bytes for r in self.rounds),
            "against": {
                label: self.against(other) for label, other in others.items() if other is not self
            },
        }

    def link_rows(self) -> list[Row]:
        """Return the rows of links.csv: what each link and medium carried, the busiest first."""
        elapsed = self.virtual_time_s
        rows: list[Row] = [
            {
                "label": self.label,
                "method": self.method,
                "link": name,
                "clients": self.link_clients[name],
                "mean_capacity": self.capacity_s[name] / elapsed if elapsed else None,
                "wire_bytes": total.wire_bytes,
                "busy_s": total.busy_s,
                "mean_flows": total.flow_s / elapsed if elapsed else None,
                "peak_flows": total.peak,
                "utilisation": _ratio(total.consumed, self.capacity_s[name]),
                "bottleneck_s": total.bottleneck_s,
                "bottleneck_share": total.bottleneck_s / elapsed if elapsed else None,
            }
            for name, total in self.links.items()
        ]
        return sorted(rows, key=_by_importance)

    def against(self, other: "MethodResult") -> dict[str, float | None]:
        """Return how many times faster, and how many times fewer bytes, than `other`, per round."""
        return {
            "time_x": _ratio(_per_round(other, "time"), _per_round(self, "time")),
            "bytes_x": _ratio(_per_round(other, "bytes"), _per_round(self, "bytes")),
        }

    def _server_wait(self) -> dict[str, float | None]:
        """Return the mean and the longest wait of a job for a slot, None where there was no job."""
        jobs = sum(r.server_jobs for r in self.rounds)
        if not jobs:
            return {"mean": None, "max": None}
        waits = sum(r.server_wait_s for r in self.rounds)
        return {
            "mean": waits / jobs,
            "max": max(r.longest_server_wait_s for r in self.rounds),
        }

    def _bytes(self, kind: Literal["wire", "payload"]) -> dict[str, float | int | None]:
        up = sum(getattr(r, f"{kind}_up") for r in self.rounds)
        down = sum(getattr(r, f"{kind}_down") for r in self.rounds)
        client_rounds = sum(r.clients for r in self.rounds)
        return {
            "up": up,
            "down": down,
            "per_client_round": (up + down) / client_rounds if client_rounds else None,
        }


@dataclass
class RunResult:
    """A scenario's run with one seed: every method under its label."""

    scenario: dict[str, Any]
    seed: int
    versions: dict[str, Any]
    methods: dict[str, MethodResult]
    status: Status = "complete"
    path: Path | None = None

    def summary(self) -> dict[str, Any]:
        """Return the contents of summary.json."""
        return {
            "schema": 1,
            "status": self.status,
            "scenario": self.scenario,
            "seed": self.seed,
            "versions": self.versions,
            "methods": {
                label: result.summary(self.methods) for label, result in self.methods.items()
            },
        }

    def table(self) -> dict[str, list[str | int | float | None]]:
        """Return rounds.csv as columns; `pandas.DataFrame(result.table())` takes it."""
        rows = [r.row(m.label, m.method) for m in self.methods.values() for r in m.rounds]
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}

    def links_table(self) -> dict[str, list[str | int | float | None]]:
        """Return links.csv as columns; `pandas.DataFrame(result.links_table())` takes it."""
        rows = [row for method in self.methods.values() for row in method.link_rows()]
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}


def _idle(busy_s: float, available_s: float) -> float | None:
    return 1.0 - busy_s / available_s if available_s > 0 else None


def _per_round(result: MethodResult, what: Literal["time", "bytes"]) -> float | None:
    if not result.rounds:
        return None
    total = result.virtual_time_s if what == "time" else result.wire_bytes
    return total / len(result.rounds)


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return theirs / ours if theirs is not None and ours else None


def _by_importance(row: Row) -> tuple[float, float]:
    return -float(row["bottleneck_s"] or 0), -float(row["utilisation"] or 0)

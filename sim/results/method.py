"""What a run gives back: plain dataclasses, tables that pandas reads, and the contract of summary.json.

What was not trained or not measured is None, never 0. Times are virtual seconds; `wire` bytes are what
every table compares, `payload` bytes the tensors and labels alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cutlayer.sim.log.energy import DeviceUse
from cutlayer.sim.log.link_use import LinkTotals
from cutlayer.sim.results.round import KeptRound, RoundResult, Row

Status = Literal["complete", "stopped", "stalled"]  # all there is, interrupted, can never end


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
    links: dict[str, LinkTotals] = field(default_factory=dict)
    capacity_s: dict[str, float] = field(default_factory=dict)
    link_clients: dict[str, int] = field(default_factory=dict)
    devices: dict[str, DeviceUse] = field(default_factory=dict)
    clients_busy_s: float = 0.0
    clients_available_s: float = 0.0
    server_busy_s: float = 0.0
    server_available_s: float = 0.0
    reused_rounds: int = 0
    diverged_in_round: int | None = None  # the first evaluation that found weights not finite
    ended: str | None = None  # why the run ended before its rounds, if no limit was reached
    stalled: bool = (
        False  # a round could never begin or never end, so that no limit would be reached
    )

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

    def bytes_to(self, accuracy: float) -> int | None:
        """Return the wire bytes that had travelled when an evaluation first reached `accuracy`."""
        total = 0
        for closed in self.rounds:
            total += closed.wire_up + closed.wire_down
            if closed.accuracy is not None and closed.accuracy >= accuracy:
                return total
        return None

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
            "energy_j": self.energy_j,
            "server_wait_s": self._server_wait(),
            "idle_fraction": {
                "clients": _idle(self.clients_busy_s, self.clients_available_s),
                "server": _idle(self.server_busy_s, self.server_available_s),
            },
            "diverged_in_round": self.diverged_in_round,
            "coarse": list(self.coarse),
            "ended": self.ended,
            "clients_dropped": sum(r.clients_dropped for r in self.rounds),
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

    @property
    def energy_j(self) -> float | None:
        """The energy of the devices in the rounds they took part in, J; None where one's is unknown."""
        energies = [r.energy_j for r in self.rounds]
        known = [joules for joules in energies if joules is not None]
        return sum(known) if known and len(known) == len(energies) else None

    def device_rows(self) -> list[Row]:
        """Return a row of devices.csv for every client that took part."""
        return [
            {
                "label": self.label,
                "method": self.method,
                "client": name,
                "device": use.device,
                "rounds": use.rounds,
                "elapsed_s": use.elapsed_s,
                "compute_s": use.compute_s,
                "send_s": use.send_s,
                "receive_s": use.receive_s,
                "idle_fraction": 1 - use.compute_s / use.elapsed_s if use.elapsed_s else None,
                "energy_j": use.energy_j,
            }
            for name, use in self.devices.items()
        ]

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

    def _bytes(self, counted: Literal["wire", "payload"]) -> dict[str, float | int | None]:
        up = sum(getattr(r, f"{counted}_up") for r in self.rounds)
        down = sum(getattr(r, f"{counted}_down") for r in self.rounds)
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

    def devices_table(self) -> dict[str, list[str | int | float | None]]:
        """Return devices.csv as columns."""
        rows = [row for method in self.methods.values() for row in method.device_rows()]
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

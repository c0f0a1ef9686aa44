"""The result of a run: plain dataclasses, tables for pandas, and the contents of summary.json.

Figures that were not trained or measured are None, never 0. Times are virtual seconds. Tables compare
`wire` bytes; `payload` bytes are those of tensors and labels alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cutlayer.sim.log.energy import DeviceUse
from cutlayer.sim.log.link_use import LinkTotals
from cutlayer.sim.log.node_use import NodeTotals
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP, key_of
from cutlayer.sim.log.updates import UpdateRow
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.class_accuracy import ClientAccuracy
from cutlayer.sim.results.columns import Row, method_row, ratio
from cutlayer.sim.results.evaluated import Evaluated
from cutlayer.sim.results.link_row import LinkRow
from cutlayer.sim.results.metrics import metric_entries
from cutlayer.sim.results.round import Decided, KeptRound, RoundResult
from cutlayer.sim.results.run_tables import RunTables
from cutlayer.sim.results.training import training_records, training_summary
from cutlayer.sim.results.utilisation import utilisation_rows
from cutlayer.sim.tasks.metric import ACCURACY, Metric

Status = Literal["complete", "stopped", "stalled"]  # stopped: interrupted; stalled: never ends


@dataclass
class MethodResult(Evaluated):
    """One method's run. `busy_s` and `available_s` are sums over clients or over server slots.

    `links` has the use of each link and medium, `capacity_s` its capacity (bytes/s, or 1 for airtime)
    integrated over the run, `link_clients` the number of clients whose routes cross it.
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
    pricing: str | None = None  # what is wrong with its times, if a published clock made them
    links: dict[str, LinkTotals] = field(default_factory=dict)
    capacity_s: dict[str, float] = field(default_factory=dict)
    link_clients: dict[str, int] = field(default_factory=dict)
    devices: dict[str, DeviceUse] = field(default_factory=dict)
    nodes: dict[str, NodeTotals] = field(default_factory=dict)  # if edge nodes compute
    clients_busy_s: float = 0.0
    clients_available_s: float = 0.0
    server_busy_s: float = 0.0
    server_available_s: float = 0.0
    decisions: list[Decided] = field(default_factory=list)  # those of a controller
    reused_rounds: int = 0
    diverged_in_round: int | None = None  # the first evaluation with weights that were not finite
    ended: str | None = None  # why the run ended early, if no limit was reached
    stalled: bool = False  # a round can never begin or never end
    updates: list[UpdateRow] = field(default_factory=list)  # of an asynchronous method
    update_summary: dict[str, Any] | None = None  # the entry `updates` of summary.json
    confusion: tuple[tuple[int, ...], ...] | None = None  # of the last evaluation, if asked for
    client_accuracy: tuple[ClientAccuracy, ...] = ()  # after the last evaluation
    client_names: Sequence[str] = ()
    tokens: int | None = None  # of a language model: those that clients trained on
    metrics: tuple[Metric, ...] = (ACCURACY,)  # of the task; curves and targets are of the first

    @property
    def noun(self) -> str:
        """The noun of its `rounds`: "round", or "window" of an asynchronous method."""
        return self.rounds[0].noun if self.rounds else "round"

    @property
    def client_rounds(self) -> int:
        """The updates, or the clients of all rounds."""
        return sum(r.clients for r in self.rounds)

    @property
    def virtual_time_s(self) -> float:
        """When the last round closed."""
        return self.rounds[-1].virtual_time_s if self.rounds else 0.0

    @property
    def wire_bytes(self) -> int:
        """All wire bytes, both directions."""
        return sum(r.wire_up + r.wire_down for r in self.rounds)

    def summary(self, others: Mapping[str, "MethodResult"]) -> dict[str, Any]:
        """Return this method's entry of summary.json, compared with the `others`."""
        times = np.array([r.round_time_s for r in self.rounds])
        return {
            "method": self.method,
            "rounds": len(self.rounds),
            "virtual_time_s": self.virtual_time_s,
            "round_time_s": {
                "mean": self.mean_of(lambda r: r.round_time_s),
                "p50": float(np.percentile(times, 50)) if len(times) else None,
                "p95": float(np.percentile(times, 95)) if len(times) else None,
            },
            "wire_bytes": self._bytes("wire"),
            "payload_bytes": self._bytes("payload"),
            "traffic": self.traffic(),
            "accuracy": self.final_and_best(ACCURACY),
            **training_summary(self.rounds, self.client_accuracy),
            "curve": [list(point) for point in self.curve],
            **metric_entries(self),
            **self._of_tokens(),
            "learning_digest": self.learning_digest,
            "weights_digest": self.weights_digest,
            "event_digest": self.event_digest,
            "additive_round_time_s": self.mean_of(lambda r: r.additive_round_time_s),
            "energy_j": self.energy_j,
            "server_wait_s": {"mean": self.server_wait_mean_s, "max": self.server_wait_max_s},
            "idle_fraction": {"clients": self.clients_idle, "server": self.server_idle},
            **self._of_nodes(),
            "diverged_in_round": self.diverged_in_round,
            "coarse": list(self.coarse),
            **({"pricing": self.pricing} if self.pricing else {}),
            "ended": self.ended,
            "clients_dropped": sum(r.clients_dropped for r in self.rounds),
            "wasted_bytes": sum(r.wasted_bytes for r in self.rounds),
            **({} if self.update_summary is None else {"updates": self.update_summary}),
            "against": {who: self.against(one) for who, one in others.items() if one is not self},
        }

    def against(self, other: "MethodResult") -> dict[str, float | None]:
        """Return the speedup and the traffic reduction over `other`.

        They are per round, or per update (a client's round) if either has windows, which differ in size.
        """
        mine, theirs = len(self.rounds), len(other.rounds)
        if WINDOW in (self.noun, other.noun):
            mine, theirs = self.client_rounds, other.client_rounds
        return {
            "time_x": ratio(ratio(other.virtual_time_s, theirs), ratio(self.virtual_time_s, mine)),
            "bytes_x": ratio(ratio(other.wire_bytes, theirs), ratio(self.wire_bytes, mine)),
        }

    def rows_of(self, table: str) -> list[Row]:
        """Return the rows of a table; those of links begin with the busiest."""
        if table == "utilisation":
            return utilisation_rows(self)
        time_s = self.virtual_time_s
        links = [
            LinkRow(name, totals, self.link_clients[name], self.capacity_s[name], time_s)
            for name, totals in self.links.items()
        ]
        links.sort(key=lambda link: (-link.totals.bottleneck_s, -(link.utilisation or 0.0)))
        records: Mapping[str, Iterable[Any]] = {
            "rounds": self.rounds,
            "links": links,
            "devices": self.devices.items(),
            "updates": self.updates,
            "decisions": self.decisions,
            **training_records(self),
        }
        return [method_row(self.label, self.method, table, record) for record in records[table]]

    def mean_of(self, figure: Callable[[RoundResult], float]) -> float | None:
        """Return the mean of a figure over the rounds; None without a round."""
        return float(np.mean([figure(r) for r in self.rounds])) if self.rounds else None

    @property
    def energy_j(self) -> float | None:
        """Energy of the devices in the rounds they took part in, J; None if any device's is unknown."""
        energies = [r.energy_j for r in self.rounds]
        known = [joules for joules in energies if joules is not None]
        return sum(known) if known and len(known) == len(energies) else None

    @property
    def server_wait_mean_s(self) -> float | None:
        """The mean wait of a job for a slot of the server; None without a job."""
        waits_s = sum(r.server_wait_s for r in self.rounds)
        return ratio(waits_s, sum(r.server_jobs for r in self.rounds))

    @property
    def server_wait_max_s(self) -> float | None:
        """The longest wait of a job for a slot of the server; None without a job."""
        return max((r.longest_server_wait_s for r in self.rounds if r.server_jobs), default=None)

    @property
    def clients_idle(self) -> float | None:
        """The share of the clients' time in which they did not compute."""
        return _idle(self.clients_busy_s, self.clients_available_s)

    @property
    def server_idle(self) -> float | None:
        """The share of the time of the server's slots in which they had no job."""
        return _idle(self.server_busy_s, self.server_available_s)

    @property
    def bytes_per_client_round(self) -> float | None:
        """Wire bytes of a client in a round, both directions; None where no client took part."""
        return self._bytes("wire")["per_client_round"]

    def traffic(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return the bytes of all rounds: `traffic()["up"]["weights"]["wire_bytes"]`, or payload."""
        wire, payload = Counter[str](), Counter[str]()
        for closed in self.rounds:
            wire.update(closed.wire_by)
            payload.update(closed.payload_by)
        return {
            direction: {
                category: {"wire_bytes": wire[of], "payload_bytes": payload[of]}
                for category in CATEGORIES
                for of in (key_of(direction, category),)
            }
            for direction in (UP, DOWN)
        }

    def tiers(self) -> dict[str, float]:
        """Return the use of each tier over the run, as `FIGURES` of `cutlayer.sim.log.tiers`."""
        figures = self.rounds[0].tiers if self.rounds else ()
        return {figure: sum(closed.tiers[figure] for closed in self.rounds) for figure in figures}

    def _of_nodes(self) -> dict[str, Any]:
        """Return the entries of summary.json for tiers and nodes, if edge nodes have devices."""
        nodes = {name: totals.summary() for name, totals in self.nodes.items()}
        return ({"tiers": self.tiers()} if self.tiers() else {}) | (
            {"nodes": nodes} if nodes else {}
        )

    def _of_tokens(self) -> dict[str, Any]:
        """Return the entry of summary.json for tokens."""
        if self.tokens is None:
            return {}
        each = ratio(self.wire_bytes, self.tokens)
        return {"tokens": {"count": self.tokens, "wire_bytes_each": each}}

    def _bytes(self, counted: Literal["wire", "payload"]) -> dict[str, float | int | None]:
        up = sum(getattr(r, f"{counted}_up") for r in self.rounds)
        down = sum(getattr(r, f"{counted}_down") for r in self.rounds)
        return {"up": up, "down": down, "per_client_round": ratio(up + down, self.client_rounds)}


@dataclass
class RunResult(RunTables):
    """A scenario's run with one seed: its methods by label.

    With draws, `uncertainty` is their summary, `draws` and `factors` their rows.
    """

    scenario: dict[str, Any]
    seed: int
    versions: dict[str, Any]
    methods: dict[str, MethodResult]
    status: Status = "complete"
    path: Path | None = None
    uncertainty: dict[str, Any] = field(default_factory=dict)
    draws: list[Row] = field(default_factory=list)
    factors: list[Row] = field(default_factory=list)

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
            **({"uncertainty": self.uncertainty} if self.uncertainty else {}),
        }


def _idle(busy_s: float, available_s: float) -> float | None:
    return 1.0 - busy_s / available_s if available_s > 0 else None

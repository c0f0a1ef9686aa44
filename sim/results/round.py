"""What is known of a single round: its totals, and for some rounds every interval.

Times are virtual seconds; what was not measured is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.log.link_use import Key
from cutlayer.sim.log.record import RoundRecord

Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class KeptRound:
    """A round whose full intervals are kept: its number, type, beginning and clients, in order.

    `links` names the resources that are used in it.
    """

    index: int
    round_type: str
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
    round_type: str
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
    barrier_s: float = 0.0  # mean over the participants: nothing left to do, the round still open
    waited_s: float = 0.0
    clients_dropped: int = 0
    wasted_bytes: int = 0
    energy_j: float | None = None  # of the participants' devices; None where it is not known
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
            "round_type": self.round_type,
            "clients": self.clients,
            "clients_dropped": self.clients_dropped,
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
            "energy_j": self.energy_j,
            "server_jobs": self.server_jobs,
            "server_wait_mean_s": self.server_wait_s / self.server_jobs
            if self.server_jobs
            else None,
            "server_wait_max_s": self.longest_server_wait_s if self.server_jobs else None,
            **{f"critical_{phase}_s": self.critical_path_s[phase] for phase in PHASES},
            "barrier_mean_s": self.barrier_s,
            "straggler": self.straggler,
            "accuracy": self.accuracy,
        }

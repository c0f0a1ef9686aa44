"""Read the measured times of a testbed from a CSV file.

Required columns: `method` (a label of the scenario) and `seconds`. Optional ones, with the meaning of an
empty cell:

- `round` (the mean over all rounds): a number from 0, as in rounds.csv;
- `round_type` (all): the rounds of one type, such as upload, replay or train;
- `what` (round): see `WHATS`; spaces and hyphens are read as underscores;
- `client` (the round, or the mean over its clients): the name of a client;
- `count` (1): the repeats behind the figure; `spread`: their standard deviation in seconds;
- `mib` or `bytes`: the traffic of the round, both directions and all clients;
- `kind` (predicted): fitted, if the scenario was adjusted to this figure.

`seconds` may be empty in a row with traffic.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cutlayer.sim.files.user_csv import UserCsvError, UserRow, user_rows
from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.validate.table import Kind
from cutlayer.suggestion import suggestion
from cutlayer.topologies.text_file import TextFileError, read_text

MAX_BYTES: Final = 4 * 2**20
MIB: Final = 2**20
REQUIRED: Final = ("method", "seconds")
OPTIONAL: Final = (
    *("round", "round_type", "what", "client", "count", "spread", "mib", "bytes", "kind"),
)
KINDS: Final[Mapping[str, Kind]] = {"": "predicted", "predicted": "predicted", "fitted": "fitted"}

# Parts of a round: the seconds that its clients spend on them on average, or that a named client does.
PARTS: Final = {
    **{phase: f"phase {phase} of rounds.csv, on or off the critical path" for phase in PHASES},
    "load": "device: the fixed time of a round, and the loader in rounds without a forward pass",
    "forward": "device: the loader and forward passes",
    "backward": "device: backward passes and the optimizer",
    "train": "device: whole iterations, where none of it waits for the server",
    "weights_down": "downlink: weights",
    "gradients_down": "downlink: everything but weights",
    "activations_up": "uplink: everything but weights",
    "weights_up": "uplink: weights",
    "barrier": "waiting for the other clients at the end of the round",
}
WHATS: Final = {
    "round": "the whole round; of a client: until it has finished",
    "iteration": "the time of the round over the client's iterations in it",
    **PARTS,
    "aggregation": "server: averaging, in the whole round",
}
SYNONYMS: Final = {
    "upload": "uplink",
    "download": "downlink",
    "compute": "device_compute",
    "server_wait": "server_queue",
    "server_service": "server_compute",
}


@dataclass(frozen=True)
class Measured:
    """A row of the file. `round` and `round_type` are None for all rounds, `client` for all clients."""

    where: str
    line: int
    method: str
    seconds: float | None
    round: int | None
    round_type: str | None
    what: str
    client: str | None
    count: int
    spread_s: float | None
    traffic_bytes: float | None
    kind: Kind

    @property
    def part(self) -> str:
        """What was measured, in words."""
        rounds = f"{self.round_type} " * (self.round_type is not None)
        rounds += "round" if self.round is None else f"round {self.round}"
        words = rounds if self.what == "round" else f"{self.what.replace('_', ' ')} of a {rounds}"
        if self.round is not None and self.what != "round":
            words = words.replace("of a ", "of ", 1)
        return f"{words}, {self.client}" if self.client is not None else words


def read_measured(path: Path, labels: Collection[str]) -> list[Measured]:
    """Return the rows of a file in their order. Raises UserCsvError with one sentence.

    `labels` are those of the scenario's methods.
    """
    try:
        text = read_text(path, MAX_BYTES)
    except TextFileError as error:
        raise UserCsvError(f"{path} {error}") from None
    return [_measured(row, labels) for row in user_rows(text, str(path), REQUIRED, OPTIONAL)]


def _measured(row: UserRow, labels: Collection[str]) -> Measured:
    cells, where = row.cells, row.where
    traffic = _traffic(row)
    seconds = row.positive("seconds") if cells["seconds"] or traffic is None else None
    what = cells["what"].lower().replace(" ", "_").replace("-", "_") or "round"
    what = SYNONYMS.get(what, what)
    if what not in WHATS:
        close = suggestion(what, (*WHATS, *SYNONYMS), listed=len(WHATS))
        raise UserCsvError(f"{where}: what: unknown part of a round {cells['what']!r}{close}")
    if traffic is not None and (what != "round" or cells["client"]):
        name = "mib" if cells["mib"] else "bytes"
        raise UserCsvError(f"{where}: {name}: traffic is that of a whole round of all clients")
    if what == "aggregation" and cells["client"]:
        raise UserCsvError(f"{where}: client: aggregation is part of the round, not of a client")
    return Measured(
        where=where,
        line=row.line,
        method=row.one_of("method", list(labels)),
        seconds=seconds,
        round=row.whole("round", least=0) if cells["round"] else None,
        round_type=cells["round_type"] or None,
        what=what,
        client=cells["client"] or None,
        count=row.whole("count") if cells["count"] else 1,
        spread_s=row.positive("spread") if cells["spread"] else None,
        traffic_bytes=traffic,
        kind=KINDS[row.one_of("kind", list(KINDS))],
    )


def _traffic(row: UserRow) -> float | None:
    cells = row.cells
    if cells["mib"] and cells["bytes"]:
        raise UserCsvError(f"{row.where}: bytes: the traffic is given by mib already")
    if cells["mib"]:
        return row.positive("mib") * MIB
    # A round's bytes can exceed the limit of other numbers.
    return _bytes(row) if cells["bytes"] else None


def _bytes(row: UserRow) -> float:
    text = row.cells["bytes"]
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text)):
        raise UserCsvError(
            f"{row.where}: bytes: must be a whole number from 1 to 10^16 (got {text!r})"
        )
    return float(text)

"""The traffic by category on the terminal, for `cutlayer run --traffic`."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.console import Console

from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP
from cutlayer.sim.results.estimate import as_runs, by_label
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import BYTES, quantity

TITLE = "Traffic by category (wire bytes per client and round)"
NOTE = (
    "Framing counts in the category of a message's main part. The bytes of a transfer that was cut off"
    " are all framing."
)


def print_traffic(result: RunResult | Sequence[RunResult], console: Console) -> None:
    """Print a row for each method and direction; several seeds give means."""
    rows = [
        (label, way, [_per_client_round(seed, way) for seed in seeds])
        for label, seeds in by_label(as_runs(result)).items()
        for way in (UP, DOWN)
    ]
    if not rows:
        return
    columns = []
    for name in (*CATEGORIES, "total", "framing"):
        means = [fmean(seed[name] for seed in seeds) for _, _, seeds in rows]
        if any(means):
            columns.append(Column(name, [quantity(mean, BYTES) if mean else "0" for mean in means]))
    labels = [label if way == UP else "" for label, way, _ in rows]
    ways = Column("", [way for _, way, _ in rows], numbers=False)
    console.print()
    print_columns(console, [Column("method", labels), ways], columns, TITLE)
    print_text(console, NOTE, "dim")


def _per_client_round(result: MethodResult, way: str) -> Mapping[str, float]:
    clients = sum(closed.clients for closed in result.rounds) or 1
    found = result.traffic()[way]
    wire = {category: entry["wire_bytes"] for category, entry in found.items()}
    total = sum(wire.values())
    framing = total - sum(entry["payload_bytes"] for entry in found.values())
    sums = {**wire, "total": total, "framing": framing}
    return {name: size / clients for name, size in sums.items()}

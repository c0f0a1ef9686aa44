"""The traffic by category on the terminal, for `cutlayer run --traffic`."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.console import Console

from cutlayer.sim.log.tiers import TIERS
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP
from cutlayer.sim.results.estimate import as_runs, by_label
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import BYTES, TIMES, quantity
from cutlayer.sim.views.rounds import TIERS_NOTE

TITLE = "Traffic by category (wire bytes per client and round)"
TIERS_TITLE = "Traffic by tier (wire bytes and busy time per round)"
NOTE = (
    "Framing counts in the category of a message's main part. The bytes of a transfer that was cut off"
    " are all framing."
)


def print_traffic(result: RunResult | Sequence[RunResult], console: Console) -> None:
    """Print a row for each method and direction; several seeds give means."""
    rows = [
        (label, direction, [_per_client_round(seed, direction) for seed in seeds])
        for label, seeds in by_label(as_runs(result)).items()
        for direction in (UP, DOWN)
    ]
    if not rows:
        return
    columns = []
    for name in (*CATEGORIES, "total", "framing"):
        means = [fmean(seed[name] for seed in seeds) for _, _, seeds in rows]
        if any(means):
            columns.append(Column(name, [quantity(mean, BYTES) if mean else "0" for mean in means]))
    labels = [label if direction == UP else "" for label, direction, _ in rows]
    directions = Column("", [direction for _, direction, _ in rows], numbers=False)
    console.print()
    print_columns(console, [Column("method", labels), directions], columns, TITLE)
    print_text(console, NOTE, "dim")
    _print_tiers(by_label(as_runs(result)), console)


def _print_tiers(results: Mapping[str, Sequence[MethodResult]], console: Console) -> None:
    """Print the bytes and the busy time of each tier, if edge nodes have devices."""
    shown = {label: seeds for label, seeds in results.items() if any(s.tiers() for s in seeds)}
    if not shown:
        return
    columns = []
    for tier in TIERS:
        for figure, name, unit in (
            ("bytes_up", "up", BYTES),
            ("bytes_down", "down", BYTES),
            ("busy_s", "busy", TIMES),
        ):
            means = [fmean(_per_round(s, f"{tier}_{figure}") for s in of) for of in shown.values()]
            cells = [quantity(mean, unit) if mean else "0" for mean in means]
            columns.append(Column(f"{tier} {name}", cells))
    console.print()
    print_columns(console, Column("method", list(shown)), columns, TIERS_TITLE)
    print_text(console, TIERS_NOTE, "dim")


def _per_round(result: MethodResult, figure: str) -> float:
    return result.tiers().get(figure, 0.0) / (len(result.rounds) or 1)


def _per_client_round(result: MethodResult, direction: str) -> Mapping[str, float]:
    clients = sum(closed.clients for closed in result.rounds) or 1
    found = result.traffic()[direction]
    wire = {category: entry["wire_bytes"] for category, entry in found.items()}
    total = sum(wire.values())
    framing = total - sum(entry["payload_bytes"] for entry in found.values())
    sums = {**wire, "total": total, "framing": framing}
    return {name: size / clients for name, size in sums.items()}

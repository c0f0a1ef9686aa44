"""`cutlayer why`: who and what made the rounds of a run as long as they were."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim.commands.errors import UsageError
from sim.saved import SavedRun, read
from sim.saved.why import NAMES, attribution, critical_chain
from topologies.closest import closest
from topologies.units import format_duration

MOST_LINKS = 40
MOST_ROUNDS = 30


def why_command(path: Path, *, method: str | None, round_index: int | None) -> None:
    """Print the attribution of every method; of one method, of its rounds; of a round, its path."""
    found = read(path)
    if not isinstance(found, list):
        raise UsageError(
            f"{path} holds a study: sweep it with --full POINT, and ask why of points/POINT"
        )
    run = found[0]
    if method is not None and method not in run.methods:
        labels = list(run.methods)
        raise UsageError(
            f"--method {method}: not in {path}{closest(method, labels)} ({', '.join(labels)})"
        )
    console = Console()
    if len(found) > 1:
        console.print(f"seed {run.seed}, the first of {len(found)}", highlight=False)
    if round_index is not None:
        _one_round(run, method or next(iter(run.methods)), round_index, console)
        return
    _methods(run, [method] if method else list(run.methods), console)
    if method is not None:
        _rounds(run, method, console)


def _methods(run: SavedRun, labels: list[str], console: Console) -> None:
    table = Table("method", "all rounds", *NAMES.values(), "barrier", "last to finish")
    for label in labels:
        about = attribution(label, run.rounds(label))
        total = about.total_s or 1.0
        first = about.stragglers[0] if about.stragglers else ("-", 0)
        table.add_row(
            label,
            format_duration(about.total_s, 3),
            *(_share(about.phases_s[phase] / total) for phase in NAMES),
            _share(about.barrier_s / total),
            f"{first[0]} ({first[1]} of {about.rounds} rounds)",
        )
    console.print(table)
    console.print(
        "shares of the critical paths, which add up to the rounds' time; barrier: what a client,"
        " in the mean, then waited for the last one",
        highlight=False,
    )


def _rounds(run: SavedRun, label: str, console: Console) -> None:
    rows = run.rounds(label)
    table = Table("round", "kind", "took", *NAMES.values(), "barrier", "last to finish")
    for row in rows[:MOST_ROUNDS]:
        about = attribution(label, [row])
        table.add_row(
            str(row["round"]),
            str(row["kind"]),
            format_duration(about.total_s, 3),
            *(format_duration(about.phases_s[phase], 3) for phase in NAMES),
            format_duration(about.barrier_s, 3),
            str(row["straggler"] or "-"),
        )
    console.print(table)
    if len(rows) > MOST_ROUNDS:
        console.print(f"... and {len(rows) - MOST_ROUNDS} more rounds: rounds.csv has them all")


def _one_round(run: SavedRun, label: str, round_index: int, console: Console) -> None:
    kept = run.kept_rounds(label)
    if round_index not in kept:
        rounds = ", ".join(map(str, kept))
        raise UsageError(
            f"--round {round_index}: the intervals of {label}'s rounds {rounds} are kept;"
            " run with --log events to keep all"
        )
    chain = critical_chain(run, label, round_index)
    total = sum(link.seconds for link in chain)
    table = Table(
        "from", "took", "share", "where", "whose", "what",
        title=f"{label}, round {round_index}: the critical path, {format_duration(total, 4)}",
        title_justify="left",
    )  # fmt: skip
    for link in chain[:MOST_LINKS]:
        table.add_row(
            format_duration(link.start_s, 4),
            format_duration(link.seconds, 3),
            _share(link.seconds / total),
            NAMES[link.phase],
            link.who,
            link.what + (f" ({link.count})" if link.count > 1 else ""),
        )
    console.print(table)
    if len(chain) > MOST_LINKS:
        rest = sum(link.seconds for link in chain[MOST_LINKS:])
        console.print(f"... and {len(chain) - MOST_LINKS} more, {format_duration(rest, 3)}")
    for phase, name in NAMES.items():
        seconds = sum(link.seconds for link in chain if link.phase == phase)
        if seconds:
            console.print(
                f"{name}: {format_duration(seconds, 4)}, {_share(seconds / total)}", highlight=False
            )


def _share(value: float) -> str:
    return f"{value:.1%}" if value else "-"

"""`cutlayer why`: who and what made the rounds of a run as long as they were."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.results.critical_path import NAMES, Attribution, attribution, critical_chain
from cutlayer.sim.results.read import SavedRun, read
from cutlayer.sim.views.columns import Column, print_columns
from cutlayer.suggestion import suggestion
from cutlayer.topologies.units import format_duration

MOST_LINKS = 40
MOST_ROUNDS = 30


def why_command(path: Path, *, method: str | None, round_index: int | None) -> None:
    """Print the attribution of every method; of one method, of its rounds; of a round, its path."""
    found = read(path)
    if not isinstance(found, list):
        raise UserError(
            f"{path} holds a study: sweep it with --full POINT, and ask why of points/POINT"
        )
    run = found[0]
    if method is not None and method not in run.methods:
        labels = list(run.methods)
        raise UserError(f"--method {method}: not in {path}{suggestion(method, labels)}")
    console = make_console()
    if len(found) > 1:
        console.print(f"seed {run.seed}, the first of {len(found)}")
    if round_index is not None:
        _one_round(run, method or next(iter(run.methods)), round_index, console)
        return
    _methods(run, [method] if method else list(run.methods), console)
    if method is not None:
        _rounds(run, method, console)


def _methods(run: SavedRun, labels: list[str], console: CommandConsole) -> None:
    found = [attribution(label, run.rounds(label)) for label in labels]
    columns = [Column("all\nrounds", [format_duration(about.total_s, 3) for about in found])]
    for phase, name in _phases(found):
        shares = [_share(about.phases_s[phase] / (about.total_s or 1.0)) for about in found]
        columns.append(Column(name, shares))
    barriers = [_share(about.barrier_s / (about.total_s or 1.0)) for about in found]
    columns.append(Column("barrier", barriers))
    last = []
    for about in found:
        name, rounds = about.stragglers[0] if about.stragglers else ("-", 0)
        last.append(f"{name} ({rounds} of {about.rounds} rounds)")
    columns.append(Column("last to finish", last, numbers=False))
    print_columns(console, Column("method", labels), columns)
    console.print()
    console.print(
        "shares of the critical paths, which add up to the rounds' time; barrier: what a client,"
        " on average, then waited for the last one",
    )


def _rounds(run: SavedRun, label: str, console: CommandConsole) -> None:
    rows = run.rounds(label)
    shown = rows[:MOST_ROUNDS]
    found = [attribution(label, [row]) for row in shown]
    columns = [
        Column("type", [str(row["round_type"]) for row in shown], numbers=False),
        Column("took", [format_duration(about.total_s, 3) for about in found]),
    ]
    for phase, name in _phases(found):
        times = [format_duration(about.phases_s[phase], 3) for about in found]
        columns.append(Column(name, times))
    columns.append(Column("barrier", [format_duration(about.barrier_s, 3) for about in found]))
    last = [str(row["straggler"] or "-") for row in shown]
    columns.append(Column("last to finish", last, numbers=False))
    print_columns(console, Column("round", [str(row["round"]) for row in shown]), columns)
    console.print()
    if len(rows) > MOST_ROUNDS:
        console.print(f"... and {len(rows) - MOST_ROUNDS} more rounds: rounds.csv has them all")


def _one_round(run: SavedRun, label: str, round_index: int, console: CommandConsole) -> None:
    kept = run.kept_rounds(label)
    if round_index not in kept:
        rounds = ", ".join(map(str, kept))
        raise UserError(
            f"--round {round_index}: the intervals of {label}'s rounds {rounds} are kept;"
            " run with --log events to keep all"
        )
    chain = critical_chain(run, label, round_index)
    total = sum(link.seconds for link in chain) or 1.0
    console.print(
        f"{label}, round {round_index}: the critical path, {format_duration(total, 4)}",
        style="bold",
    )
    shown = chain[:MOST_LINKS]
    what = [link.what + (f" ({link.count})" if link.count > 1 else "") for link in shown]
    columns = [
        Column("took", [format_duration(link.seconds, 3) for link in shown]),
        Column("share", [_share(link.seconds / total) for link in shown]),
        Column("where", [NAMES[link.phase] for link in shown], numbers=False),
        Column("whose", [link.who for link in shown], numbers=False),
        Column("what", what, numbers=False),
    ]
    starts = [format_duration(link.start_s, 4) for link in shown]
    print_columns(console, Column("from", starts), columns)
    console.print()
    if len(chain) > MOST_LINKS:
        rest = sum(link.seconds for link in chain[MOST_LINKS:])
        console.print(f"... and {len(chain) - MOST_LINKS} more, {format_duration(rest, 3)}")
    for phase, name in NAMES.items():
        seconds = sum(link.seconds for link in chain if link.phase == phase)
        if seconds:
            console.print(f"{name}: {format_duration(seconds, 4)}, {_share(seconds / total)}")


def _phases(found: Sequence[Attribution]) -> list[tuple[str, str]]:
    """Return the phases that took any time, with what they are called."""
    return [
        (phase, name)
        for phase, name in NAMES.items()
        if any(about.phases_s[phase] for about in found)
    ]


def _share(value: float) -> str:
    return f"{value:.1%}" if value else "-"

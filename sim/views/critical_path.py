"""The critical paths of a run on the terminal: of all methods, of a method's rounds, of one round.

An asynchronous method has windows instead of rounds: a window closes with a fold, and its path leads
from that fold back to the window's start.
"""

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from cutlayer.errors import UserError
from cutlayer.sim.results.critical_path import NAMES, Attribution, attribution, critical_chain
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import TIMES, quantity, significant
from cutlayer.topologies.units import format_duration

MOST_STEPS: Final = 40
MOST_ROUNDS: Final = 30
SLIGHT: Final = 0.005  # of a round; a difference of less is not mentioned


def print_methods(run: SavedRun, labels: Sequence[str], console: Console) -> None:
    """Print the shares of the phases in each method's rounds, and why the fastest is faster."""
    attributions = [attribution(label, run.rounds(label)) for label in labels]
    windows = [about.label for about in attributions if about.windows]
    heading = "window time" if len(windows) == len(labels) else "round time"
    columns = [
        Column(heading, [_time(about.total_s / max(about.rounds, 1)) for about in attributions])
    ]
    for phase, name in _phases(attributions):
        shares = [_share(about.phases_s[phase] / (about.total_s or 1.0)) for about in attributions]
        columns.append(Column(name, shares))
    if len(windows) < len(labels):
        barriers = [
            _share(about.barrier_s / (about.total_s or 1.0)) if about.barrier_s else "-"
            for about in attributions
        ]
        columns.append(Column("barrier wait", barriers))
    stragglers = []
    for about in attributions:
        name, rounds = about.stragglers[0] if about.stragglers else ("-", 0)
        stragglers.append(f"{name} ({rounds} of {about.rounds})")
    columns.append(Column("straggler (rounds)", stragglers, numbers=False))
    print_columns(console, Column("method", labels), columns)
    console.print()
    text = f"Shares of the critical paths, which add up to the {heading}. "
    if len(windows) < len(labels):
        text += "Barrier wait: how long a client waited for the last one, on average. "
    print_text(console, f"{text}Straggler: the client that was last most often.")
    if windows:
        print_text(console, windows_note(windows))
    timed = [about for about in attributions if about.rounds and about.total_s]
    if len(timed) > 1:
        by_update = bool(windows)
        slow, fast = timed[0], min(timed, key=lambda about: _each_s(about, by_update))
        if fast is slow:
            slow = min((a for a in timed if a is not fast), key=lambda a: _each_s(a, by_update))
        print_text(console, difference(fast, slow))


def windows_note(labels: Sequence[str]) -> str:
    """Return a note on the windows of asynchronous methods."""
    one = len(labels) == 1
    return (
        f"{', '.join(labels)} {'has' if one else 'have'} windows instead of rounds: a window closes"
        " with a fold, and its straggler is the client whose update was folded then."
    )


def _each_s(about: Attribution, by_update: bool) -> float:
    """Return the mean seconds of a round, or per client's round or update."""
    return about.total_s / ((about.clients if by_update else about.rounds) or 1.0)


def difference(fast: Attribution, slow: Attribution) -> str:
    """Return why the rounds of one method are shorter than those of another, phase by phase.

    Per update (a client's round) if either has windows, which may have more updates than a round.
    """
    by_update = fast.windows or slow.windows
    own, other = _each_s(fast, by_update), _each_s(slow, by_update)
    few, many = own / (fast.total_s or 1.0), other / (slow.total_s or 1.0)
    changes = {
        name: slow.phases_s[phase] * many - fast.phases_s[phase] * few
        for phase, name in NAMES.items()
    }
    parts = [
        f"{_time(abs(saved))} {'less' if saved > 0 else 'more'} {name}"
        for name, saved in sorted(changes.items(), key=lambda item: -abs(item[1]))
        if abs(saved) >= SLIGHT * other
    ]
    said = f"{fast.label} is {significant(other / own)} times as fast as {slow.label}"
    said += " per update" if by_update else " per round"
    return f"{said}: {', '.join(parts)}." if parts else f"{said}."


def print_rounds(run: SavedRun, label: str, console: Console) -> None:
    """Print the phases of each of a method's first rounds or windows."""
    rows, noun = run.rounds(label), run.noun(label)
    shown = rows[:MOST_ROUNDS]
    attributions = [attribution(label, [row]) for row in shown]
    columns = [Column(f"{noun} time", [_time(about.total_s) for about in attributions])]
    if noun == "round":
        types = [str(row["round_type"]) for row in shown]
        columns.insert(0, Column("type", types, numbers=False))
    else:
        columns.append(Column("updates", [str(row["clients"]) for row in shown]))
        columns.append(Column("version", [str(row["version"]) for row in shown]))
    for phase, name in _phases(attributions):
        columns.append(Column(name, [_time(about.phases_s[phase]) for about in attributions]))
    if noun == "round":
        barriers = [_time(about.barrier_s or 0.0) for about in attributions]
        columns.append(Column("barrier wait", barriers))
    last = [str(row["straggler"] or "-") for row in shown]
    columns.append(Column("straggler", last, numbers=False))
    print_columns(console, Column(noun, [str(row["round"]) for row in shown]), columns)
    if len(rows) > MOST_ROUNDS:
        print_text(
            console, f"... and {len(rows) - MOST_ROUNDS} more {noun}s, which are in rounds.csv"
        )


def print_path(run: SavedRun, label: str, round_index: int, console: Console) -> None:
    """Print the critical path of a kept round or window, step by step."""
    kept, noun = run.kept_rounds(label), run.noun(label)
    if round_index not in kept:
        rounds = ", ".join(map(str, kept))
        raise UserError(
            f"--round {round_index}: the intervals of {label}'s {noun}s {rounds} are kept;"
            " run with --log events to keep all"
        )
    chain = critical_chain(run, label, round_index)
    total = sum(step.seconds for step in chain) or 1.0
    shown = chain[:MOST_STEPS]
    activities = [step.what + (f" ({step.count})" if step.count > 1 else "") for step in shown]
    columns = [
        Column("duration", [_time(step.seconds) for step in shown]),
        Column("share", [_share(step.seconds / total) for step in shown]),
        Column("phase", [NAMES[step.phase] for step in shown], numbers=False),
        Column("client", [step.who for step in shown], numbers=False),
        Column("activity", activities, numbers=False),
    ]
    starts = [format_duration(step.start_s, 4) for step in shown]
    title = f"{label}, {noun} {round_index}: the critical path, {format_duration(total, 4)}"
    print_columns(console, Column("start", starts), columns, title)
    if len(chain) > MOST_STEPS:
        rest = sum(step.seconds for step in chain[MOST_STEPS:])
        print_text(
            console, f"... and {len(chain) - MOST_STEPS} more steps, {format_duration(rest, 3)}"
        )
    console.print()
    for phase, name in NAMES.items():
        seconds = sum(step.seconds for step in chain if step.phase == phase)
        if seconds:
            print_text(console, f"{name}: {format_duration(seconds, 4)}, {_share(seconds / total)}")


def _phases(attributions: Sequence[Attribution]) -> list[tuple[str, str]]:
    """Return the phases that took any time, with their names."""
    return [
        (phase, name)
        for phase, name in NAMES.items()
        if any(about.phases_s[phase] for about in attributions)
    ]


def _time(seconds: float) -> str:
    return quantity(seconds, TIMES)


def _share(value: float) -> str:
    return f"{value:.1%}" if value else "-"

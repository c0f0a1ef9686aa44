"""Updates of an asynchronous method on the terminal: the life of one, and the wait of a fold."""

from itertools import accumulate

from rich.console import Console

from cutlayer.errors import UserError
from cutlayer.sim.results.critical_path import round_row
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.results.update_life import BUFFER, FOLD, Life, lives_of
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import TIMES, quantity, significant
from cutlayer.topologies.units import format_duration


def print_update(run: SavedRun, label: str | None, number: int, console: Console) -> None:
    """Print the life of an update, phase by phase; `label` is needed if several methods have updates."""
    label = _asynchronous(run, label)
    lives = lives_of(run, label)
    chosen = next((life for life in lives if life.row["update"] == number), None)
    if chosen is None:
        last = max((int(life.row["update"] or 0) for life in lives), default=None)
        known = "it has none" if last is None else f"the last one is {last}"
        raise UserError(f"--update {number}: {label} folded no such update; {known}")
    row = chosen.row
    print_text(console, f"{label}, update {number} of {row['client']}", "bold")
    print_text(console, _said(chosen))
    total = chosen.seconds or 1.0
    columns = [
        Column("duration", [_time(seconds) for _, seconds in chosen.phases]),
        Column("share", [f"{seconds / total:.1%}" for _, seconds in chosen.phases]),
    ]
    if chosen.stages == chosen.phases:  # otherwise some are interleaved
        ends = accumulate((seconds for _, seconds in chosen.phases), initial=chosen.start_s)
        starts = [format_duration(at, 4) for at in ends][: len(chosen.phases)]
        columns.insert(0, Column("start", starts))
    names = Column("phase", [name for name, _ in chosen.phases], numbers=False)
    if chosen.phases:
        print_columns(console, names, columns)
        console.print()
    if chosen.idle_s:
        waited = f"Before it, {row['client']} was idle for {_time(chosen.idle_s)}."
        print_text(console, waited)
    others = [
        life for life in lives if life.row["version"] == row["version"] and life is not chosen
    ]
    if not chosen.dropped and others:
        print_text(console, _fold_text(label, [chosen, *others]))


def print_closing_fold(run: SavedRun, label: str, window: int, console: Console) -> None:
    """Print the updates of the fold that closed a window, and the last to arrive."""
    version = round_row(run, label, window)["version"]
    folded = [life for life in lives_of(run, label) if life.row["version"] == version]
    if not folded:
        return
    console.print()
    print_text(console, _fold_text(label, folded))
    folded.sort(key=lambda life: float(life.row["uploaded_s"] or 0.0))
    columns = [
        Column("client", [str(life.row["client"]) for life in folded], numbers=False),
        Column("staleness", [str(life.row["staleness"]) for life in folded]),
        Column("dispatched", [format_duration(life.start_s, 4) for life in folded]),
        Column("arrived", [format_duration(_arrived_s(life), 4) for life in folded]),
        Column("in the buffer", [_time(_kept_s(life)) for life in folded]),
    ]
    numbers = Column("update", [str(life.row["update"]) for life in folded])
    print_columns(console, numbers, columns)


def _asynchronous(run: SavedRun, label: str | None) -> str:
    """Return the label of the asynchronous method. Raises UserError."""
    labels = [name for name in run.methods if run.noun(name) != "round"]
    if label is not None and label not in labels:
        raise UserError(f"--update: {label} has rounds, not updates")
    if label is None and len(labels) != 1:
        which = f"choose one with --method: {', '.join(labels)}" if labels else "none has updates"
        raise UserError(f"--update: {len(labels)} methods have updates; {which}")
    return labels[0] if label is None else label


def _said(life: Life) -> str:
    row = life.row
    began = f"Dispatched at {format_duration(life.start_s, 4)} with version {row['read_version']}"
    if life.dropped:
        return f"{began}; its client dropped out, so it was never folded."
    staleness = int(row["staleness"] or 0)
    stale = f"{staleness} version{'s' * (staleness != 1)} later"
    return (
        f"{began}, folded into version {row['version']} at {format_duration(life.end_s, 4)},"
        f" {_time(life.seconds)} and {stale} (staleness {staleness}), with weight"
        f" {significant(float(row['weight'] or 0.0))}."
    )


def _fold_text(label: str, folded: list[Life]) -> str:
    """Return a sentence on the update of a fold that arrived last."""
    last = max(folded, key=_arrived_s)
    text = f"Version {last.row['version']} of {label} "
    if len(folded) == 1:
        text += f"is the fold of update {last.row['update']} alone, of {last.row['client']}"
        return f"{text}, which arrived at {format_duration(_arrived_s(last), 4)}."
    longest = max(_kept_s(life) for life in folded)
    return (
        f"{text}is a fold of {len(folded)} updates. It waited for update {last.row['update']} of"
        f" {last.row['client']}, which arrived at {format_duration(_arrived_s(last), 4)}; the first of"
        f" them was in the buffer for {_time(longest)}."
    )


def _arrived_s(life: Life) -> float:
    return float(life.row["uploaded_s"] or 0.0)


def _kept_s(life: Life) -> float:
    return sum(seconds for name, seconds in life.phases if name in (BUFFER, FOLD))


def _time(seconds: float) -> str:
    return quantity(seconds, TIMES)

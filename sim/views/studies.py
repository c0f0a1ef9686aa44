"""A study in words and tables for a terminal."""

from rich.console import Console
from rich.table import Table

from sim.round_results import Row
from sim.studies.result import StudyResult
from topologies.units import format_duration, format_size

MOST_ROWS = 24


def print_study(study: StudyResult, console: Console) -> None:
    """Print what was run, how often it was trained, and what was decided."""
    for line in counted(study):
        console.print(line, soft_wrap=True, highlight=False)
    for line in crossover_lines(study):
        console.print(line, soft_wrap=True, highlight=False)
    for name, title in (("best", "best"), ("sensitivity", "what moves the result most")):
        rows = study.decisions.get(name)
        if rows:
            console.print(_table(title, rows))
    front = study.decisions.get("pareto")
    if front:
        console.print(_table("Pareto front", front))


def counted(study: StudyResult) -> list[str]:
    """Return how many points, cells and trainings there were, in sentences."""
    infeasible = sum(found.status == "infeasible" for found in study.cells)
    lines = [
        f"{study.study.study.name}: {len(study.study.points)} points,"
        f" {len(study.cells)} runs of a method"
        + (f", {infeasible} of them do not fit into memory" if infeasible else "")
    ]
    trainings = study.trainings
    if trainings.curves:
        text = (
            f"{trainings.curves} learning curves from {trainings.needed} trainings:"
            f" {trainings.shared} are shared, bit for bit, by equal learning digests"
        )
        if trainings.alone:
            text += f"; {trainings.alone} could only be trained by themselves"
        lines.append(text)
    lines.append(
        f"new in this sweep: {study.new.get('clock runs', 0)} clock runs,"
        f" {study.new.get('trainings', 0)} trainings"
    )
    return lines


def crossover_lines(study: StudyResult) -> list[str]:
    """Return each crossover as a sentence."""
    return [sentence(study, row) for row in study.decisions.get("crossovers", ())]


def sentence(study: StudyResult, row: Row) -> str:
    """Return one crossover in words: who overtakes whom, where, known how well."""
    axis = str(row["axis"])
    others = ", ".join(f"{name} = {row[name]}" for name in study.study.axes if name != axis)
    where = f" ({others})" if others else ""
    if row["value"] is None:
        return f"{row['first']} and {row['second']}, {row['by']}: {row['better']}{where}"
    better = str(row["better"]).removesuffix(" below")
    worse = str(row["overtaken"]).removesuffix(" above")
    number, _, unit = str(row["value"]).partition(" ")
    place = f"{float(number):.4g} {unit}".strip()
    low, high = float(row["low"] or 0), float(row["high"] or 0)
    known = f", known to {(high - low) / high:.1%}" if high else ""
    text = f"{better} is ahead of {worse} below {axis} = {place}, behind above ({row['by']}{known})"
    return text + where + (f"; {row['note']}" if row["note"] else "")


def _table(title: str, rows: list[Row]) -> Table:
    told = [name for name in ("axis", "by", "factor") if name in rows[0]]
    names = [name for name in rows[0] if name not in told]
    said = ", ".join(f"{name} {rows[0][name]}" for name in told)
    table = Table(*names, title=f"{title} ({said})" if said else title, title_justify="left")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(_text(name, row[name]) for name in names))
    if len(rows) > MOST_ROWS:
        table.add_row(f"... and {len(rows) - MOST_ROWS} more")
    return table


def _text(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        if "time" in name:
            return format_duration(value, 4)
        if "bytes" in name:
            return format_size(round(value), 4)
        return f"{value:.4g}"
    return str(value)

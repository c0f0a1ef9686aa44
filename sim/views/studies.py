"""A study on the terminal, and the units of its figures everywhere."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.quantities import BYTES, TIMES, quantity, significant

MOST_ROWS: Final = 24
MOST_POINTS: Final = 8  # of a line
MEASURED: Final = ("value", "less", "base", "more")  # columns in the unit of the row's `by`
HEADINGS: Final = {
    "second_over_best": "second to best (ratio)",
    "virtual_time_s": "virtual time",
    "wire_bytes_per_client_round": "traffic per client and round",
    "wire_bytes": "traffic",
    "energy_j": "device energy",
    "accuracy_final": "final accuracy",
    "infeasible": "out of memory",
    "best_share": "share of draws",
    "drawn": "best over the draws",
    **{
        f"{figure}_{end}_s": f"{figure.replace('_', ' ')}, {end}"
        for figure in ("round_time", "virtual_time", "target")
        for end in ("low", "high")
    },
}


def print_study(study: SavedStudy, console: Console, new: Mapping[str, int]) -> None:
    """Print the numbers of points, runs and trainings (how many are `new`), and the decisions."""
    sentences = crossover_sentences(study.table("crossovers"), list(study.axes))
    for line in [*_counted(study, new), *sentences]:
        print_text(console, line)
    for name, title in (
        ("best", "best"),
        ("sensitivity", "sensitivity: which assumption changes the result most"),
        ("pareto", "Pareto front"),
    ):
        if rows := study.table(name):
            _print_rows(console, title, rows)
    if without_result := _without_result(study):
        console.print()
        for line in without_result:
            print_text(console, line)


def _counted(study: SavedStudy, new: Mapping[str, int]) -> list[str]:
    infeasible = study.summary["infeasible"]
    stalled = sum(row["status"] == "stalled" for row in study.table("points"))
    lines = [
        f"{study.name}: {study.summary['points']} points, {study.summary['cells']} runs of a method"
        + (f", {infeasible} of them do not fit into memory" if infeasible else "")
        + (f", {stalled} of them stalled: a round can never end" if stalled else "")
    ]
    trainings = study.summary["trainings"]
    if trainings["curves"]:
        text = (
            f"{trainings['curves']} learning curves from {trainings['needed']} trainings:"
            f" {trainings['shared']} are shared, bit for bit, by equal learning digests"
        )
        if trainings["alone"]:
            text += f"; {trainings['alone']} cannot be shared"
        lines.append(text)
    lines.append(
        f"new in this sweep: {new.get('clock runs', 0)} clock runs,"
        f" {new.get('trainings', 0)} trainings"
        + (f", draws of {new['draws']} runs" if "draws" in new else "")
    )
    return lines


def _without_result(study: SavedStudy) -> list[str]:
    """Return where a method did not fit into memory or stalled, and why; each reason once."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for row in study.table("points"):
        if row["status"] != "complete":
            why = str(row["label"]), str(row["status"]), str(row.get("note") or "")
            reasons.setdefault(why, []).append(str(row["point"]))
    lines = []
    for (label, status, note), points in reasons.items():
        points = list(dict.fromkeys(points))  # one for several seeds
        named = f"point{'s' * (len(points) > 1)} {', '.join(points[:MOST_POINTS])}"
        more = f" and {len(points) - MOST_POINTS} more" if len(points) > MOST_POINTS else ""
        lines.append(f"{status.upper()} {label} at {named}{more}" + (f": {note}" if note else ""))
    left = len(lines) - MOST_ROWS
    return lines if left <= 0 else [*lines[:MOST_ROWS], f"... and {left} more"]


def crossover_sentences(rows: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> list[str]:
    """Return crossovers as sentences, pairs of methods without a crossover last."""
    ordered = sorted(rows, key=lambda row: row["value"] is None)
    return [_sentence(row, [name for name in axes if name != row["axis"]]) for row in ordered]


def _sentence(row: Mapping[str, Any], others: Sequence[str]) -> str:
    there = ", ".join(f"{name} = {row[name]}" for name in others)
    where = f" ({there})" if there else ""
    if row["value"] is None:
        there = f"{row['first']} and {row['second']}, {row['by']}: {row['better']}{where}"
        return there + _over_draws(row, 1.0, "")
    better = str(row["better"]).removesuffix(" below")
    worse = str(row["overtaken"]).removesuffix(" above")
    number, _, unit = str(row["value"]).partition(" ")
    at = f"{float(number):.4g} {unit}".strip()
    low, high = float(row["low"] or 0), float(row["high"] or 0)
    known = f", known to {(high - low) / high:.1%}" if high else ""
    text = f"{worse} overtakes {better} above {row['axis']} = {at} ({row['by']}{known})"
    factor = float(row["value_si"]) / float(number) if float(number) else 1.0
    return (
        text + where + _over_draws(row, factor, unit) + (f"; {row['note']}" if row["note"] else "")
    )


def _over_draws(row: Mapping[str, Any], factor: float, unit: str) -> str:
    """Return where a pair crosses over the draws, in units of `factor`; "" without draws."""
    share, low, high = (row.get(f"drawn_{name}") for name in ("share", "low", "high"))
    if share is None or (row["value"] is None and not share):
        return ""
    if not share or row["value"] is None or low is None or high is None:
        return f"; in {share:.0%} of the draws one overtakes the other"
    span = f"{float(low) / factor:.4g} to {float(high) / factor:.4g} {unit}".strip()
    return f"; over the draws {span}" + ("" if share == 1 else f", in {share:.0%} of them")


def heading(column: str) -> str:
    """Return the heading of a column."""
    return HEADINGS.get(column, column.replace("_", " "))


def formatted(column: str, value: object, row: Mapping[str, Any]) -> str:
    """Return a figure of a study's table with the unit of its column or of the row's `by`."""
    if value is None:
        return "-"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    about = str(row.get("by", "")) if column in MEASURED else column
    traffic = "bytes" in about or "traffic" in about
    if isinstance(value, int) and not traffic:
        return str(value)
    if about.endswith("_share"):
        return f"{value:.0%}"
    if "time" in about or about.endswith("_s"):
        return quantity(value, TIMES)
    if traffic:
        return quantity(value, BYTES)
    if "energy" in about:
        return f"{significant(value)} J"
    if "accuracy" in about:
        return f"{value:.2%}"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _print_rows(console: Console, title: str, rows: Sequence[Row]) -> None:
    """Print the rows of a decision, with what all of them share in the title."""
    common = [name for name in ("axis", "by", "factor") if name in rows[0]]
    said = ", ".join(f"{name} {rows[0][name]}" for name in common)
    names = [name for name in rows[0] if name not in common]
    keys = ["point", "label"] if {"point", "label"} <= set(names) else names[:1]
    shown = rows[:MOST_ROWS]

    def cells(name: str) -> list[str]:
        return [formatted(name, row[name], row) for row in shown]

    console.print()
    columns = [
        Column(heading(name), cells(name), numbers=isinstance(shown[0][name], int | float))
        for name in names
    ]
    order = [names.index(key) for key in keys]
    leading = [columns[i] for i in order]
    rest = [column for i, column in enumerate(columns) if i not in order]
    print_columns(console, leading, rest, f"{title} ({said})" if said else title)
    if len(rows) > MOST_ROWS:
        console.print(f"... and {len(rows) - MOST_ROWS} more")

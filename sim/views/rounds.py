"""Traffic, round time by critical path, idle shares, and ratios between methods: bars of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.log.tiers import ACCESS, BACKHAUL, FIGURES
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP, key_of
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.critical_path import NAMES
from cutlayer.sim.results.estimate import mean
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.uncertainty.statistics import Interval
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import BYTES, TIMES, Unit, common_unit, quantity, significant
from cutlayer.sim.views.uncertainty import bracketed, interval_note, intervals_of, speedups_of

MOST_ROUNDS: Final = 60  # drawn one by one
FAR: Final = 100  # a total this many times below the largest is written in a unit of its own
NUMBERS: Final = {UP: 0, DOWN: 5}  # of the colours: two blues
TIERS_NOTE: Final = (
    "Access: between clients and the first node with a device on their way, or their peer. Backhaul:"
    " between these edge nodes or peers and the server. What passes an edge node counts in both."
)
FRAMING: Final = "A message's framing counts in the category of its main part."

Bar = tuple[str, bool, list[list[Row]]]  # its name, whether it is part of another, rows by seed


def _bars(runs: Sequence[SavedRun]) -> Iterator[Bar]:
    """Yield a bar for each method and, if its rounds are of several types, one for each below."""
    for label in runs[0].methods:
        rows = [own for run in runs if label in run.methods and (own := run.rounds(label))]
        if not rows:
            continue
        yield label, False, rows
        types = list(dict.fromkeys(str(row["round_type"]) for row in rows[0]))
        for name in types if len(types) > 1 else ():
            parts = [[row for row in own if row["round_type"] == name] for own in rows]
            yield f"{label}: {name} rounds", True, [part for part in parts if part]


def _number(row: Row, column: str) -> float:
    value = row[column]
    return float(value) if isinstance(value, int | float) else 0.0


def _stack(
    name: str,
    title: str,
    rows: Mapping[str, Mapping[str, float]],
    phases: Mapping[str, int | None],
    units: tuple[Unit, ...],
    x_title: str,
    minor: Sequence[str] = (),
    intervals: Mapping[str, Interval] | None = None,
    **more: Any,
) -> Chart:
    """Return a stack of parts for each row, with the totals at the ends."""
    totals = {row: sum(parts.values()) for row, parts in rows.items()}
    largest = max(totals.values(), default=0.0)
    unit, factor = common_unit([largest], units)
    ends = dict.fromkeys(rows, 0.0)
    series = []
    for number, (part, phase) in enumerate(phases.items()):
        values = {row: parts[part] / factor for row, parts in rows.items()}
        if any(values.values()):
            texts = [
                f"{row}\n{part}: {significant(value)} {unit}"
                + (f" ({value * factor / totals[row]:.1%})" if totals[row] else "")
                for row, value in values.items()
            ]
            starts = [ends[row] for row in values]
            lengths, names = list(values.values()), list(values)
            colour = NUMBERS.get(part, number)
            series.append(Series(part, lengths, names, colour, starts, texts, phase=phase))
            ends = {row: ends[row] + value for row, value in values.items()}
    said = {
        row: quantity(total, units)
        if total * FAR < largest
        else f"{significant(total / factor)} {unit}"
        for row, total in totals.items()
    }
    spans = {
        row: (low / factor, high / factor) for row, (low, _, high) in (intervals or {}).items()
    }
    return Chart(
        name,
        title,
        "stack",
        series,
        f"{x_title} ({unit})",
        totals=said,
        intervals=spans,
        minor=minor,
        **more,
    )


def traffic_chart(runs: Sequence[SavedRun]) -> Chart:
    """Return the wire bytes per client and round, up and down."""
    columns = {direction: [f"wire_bytes_{direction}"] for direction in (UP, DOWN)}
    return _traffic(runs, "traffic", "Traffic per client and round", columns)


def category_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return the wire bytes per client and round by category; none in old folders."""
    first = next((rows[0][0] for _, _, rows in _bars(runs)), {})
    if f"wire_bytes_{key_of(UP, CATEGORIES[0])}" not in first:
        return ()
    charts = []
    for choice, directions in (("up and down", (UP, DOWN)), (UP, (UP,)), (DOWN, (DOWN,))):
        columns = {
            category: [f"wire_bytes_{key_of(direction, category)}" for direction in directions]
            for category in CATEGORIES
        }
        more = {"choice": choice, "note": FRAMING}
        charts.append(_traffic(runs, "categories", "Traffic by category", columns, **more))
    return tuple(charts)


def tier_chart(runs: Sequence[SavedRun]) -> Chart | None:
    """Return the wire bytes that crossed each tier, per client and round; None without edge nodes."""
    first = next((rows[0][0] for _, _, rows in _bars(runs)), {})
    if first.get(FIGURES[0]) is None:
        return None
    columns = {
        f"{tier}, {direction}": [f"{tier}_bytes_{direction}"]
        for tier in (ACCESS, BACKHAUL)
        for direction in (UP, DOWN)
    }
    return _traffic(runs, "tiers", "Traffic by tier", columns, note=TIERS_NOTE)


def _traffic(
    runs: Sequence[SavedRun],
    name: str,
    title: str,
    columns: Mapping[str, Sequence[str]],
    **more: Any,
) -> Chart:
    """Return a stack of sums of columns, per client and round."""
    rows = {}
    for bar, _, seeds in _bars(runs):
        clients = [sum(_number(row, "clients") for row in own) or 1.0 for own in seeds]
        rows[bar] = {
            part: mean(
                sum(_number(row, column) for row in own for column in summed) / count
                for own, count in zip(seeds, clients, strict=True)
            )
            or 0.0
            for part, summed in columns.items()
        }
    minor = [bar for bar, part, _ in _bars(runs) if part]
    colours = dict.fromkeys(columns)
    return _stack(name, title, rows, colours, BYTES, "wire bytes", minor, **more)


def critical_path_chart(runs: Sequence[SavedRun], choice: str = "") -> Chart:
    """Return the mean round time by the phases of the critical path.

    If a method has windows, which differ in size, the time of a round or window is per update.
    """
    per_update = any(runs[0].noun(label) == WINDOW for label in runs[0].methods)
    rows = {
        name: {
            NAMES[phase]: mean(
                sum(_number(row, f"critical_{phase}_s") for row in own)
                / ((sum(_number(row, "clients") for row in own) if per_update else len(own)) or 1.0)
                for own in seeds
            )
            or 0.0
            for phase in PHASES
        }
        for name, _, seeds in _bars(runs)
    }
    minor = [name for name, part, _ in _bars(runs) if part]
    known = {} if per_update else intervals_of(runs[0], "round_time_s")
    title = "Time per update by critical path" if per_update else "Round time by critical path"
    note = (
        "The time of a round or window over its updates: of a round, its clients."
        if per_update
        else "The phases of the critical path add up to the round time: a round is shorter only if one"
        " of them is." + interval_note(runs[0])
    )
    return _stack(
        *("critical-path", title, rows, _phases(), TIMES),
        *("virtual time", minor),
        choice=choice,
        intervals={label: at for label, at in known.items() if label in rows},
        note=note,
    )


def round_by_round(run: SavedRun, label: str) -> Chart:
    """Return the critical path of each round of a method, of the first if there are many."""
    noun = run.noun(label)
    rows = {
        f"{noun} {row['round']}" + (f" ({row['round_type']})" if noun == "round" else ""): {
            NAMES[phase]: _number(row, f"critical_{phase}_s") for phase in PHASES
        }
        for row in run.rounds(label)[:MOST_ROUNDS]
    }
    title = f"{noun.capitalize()} time by critical path"
    return _stack(
        *("critical-path", title, rows, _phases(), TIMES, "virtual time"),
        choice=f"{label}, {noun} by {noun}",
    )


def idle_chart(runs: Sequence[SavedRun]) -> Chart | None:
    """Return the idle shares of devices and server, one row a method; None in old folders."""
    series = []
    rows = {name: None if part else name for name, part, _ in _bars(runs)}
    for number, (key, name) in enumerate((("clients", "devices"), ("server", "server"))):
        shares = {
            row: mean(r.methods[label].get("idle_fraction", {}).get(key) for r in runs)
            for row, label in rows.items()
            if label is not None
        }
        known = {row: 100 * share for row, share in shares.items() if share is not None}
        texts = [f"{row}\n{name} idle: {share:.1f} %" for row, share in known.items()]
        series.append(Series(name, list(known.values()), list(known), 2 - number, texts=texts))
    if not any(one.x for one in series):
        return None
    note = "The share of a round in which devices, or the server's slots, do not compute."
    return Chart("idle", "Idle share", "dots", series, "of the virtual time (%)", note=note)


def speedup_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return speedup and traffic reduction over each other method, per round."""
    labels = list(runs[0].methods)
    charts = []
    for base in labels if len(labels) > 1 else []:
        series = []
        for number, (key, name) in enumerate(
            (("time_x", "speedup"), ("bytes_x", "traffic reduction"))
        ):
            ratios = {
                label: mean(run.methods[label]["against"][base][key] for run in runs)
                for label in labels
                if label != base
            }
            known = {label: value for label, value in ratios.items() if value}
            drawn = speedups_of(runs[0], base) if key == "time_x" else {}
            texts = [
                _compared(label, base, value, key)
                + (f"\n{bracketed(drawn[label])} over the draws" if label in drawn else "")
                for label, value in known.items()
            ]
            ends = [drawn[label][::2] for label in known if label in drawn]
            series.append(
                Series(
                    name,
                    list(known),
                    list(known.values()),
                    number,
                    texts=texts,
                    ends=ends if ends and len(ends) == len(known) else None,
                )
            )
        charts.append(
            Chart(
                "speedup",
                "Speedup and traffic reduction",
                "ratios",
                series,
                "",
                f"ratio to {base} (x)",
                y_log=True,
                choice=f"over {base}",
                note=f"{compared_note(runs[0])} Bars begin at 1x: up is faster, or less traffic."
                + interval_note(runs[0]),
            )
        )
    return tuple(charts)


def compared_note(run: SavedRun) -> str:
    """Return a note on ratios of time and traffic: per round, or per update if a method has windows."""
    windows = [label for label in run.methods if run.noun(label) == WINDOW]
    note = "Ratios of round times and of bytes per round."
    if windows:
        who = " or ".join(windows)
        note += f" With {who}: per update (a client's round), as windows differ in size."
    return note


def _compared(label: str, base: str, ratio: float, key: str) -> str:
    better, worse = ("faster", "slower") if key == "time_x" else ("less traffic", "more traffic")
    times, how = (ratio, better) if ratio >= 1 else (1 / ratio, worse)
    return f"{label}\n{significant(times)} times {how} than {base}"


def _phases() -> dict[str, int | None]:
    return {NAMES[phase]: number for number, phase in enumerate(PHASES)}

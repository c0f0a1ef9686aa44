"""The Pareto front and the sensitivities of a study."""

from collections.abc import Sequence
from typing import Any

from cutlayer.sim.results.columns import Row
from cutlayer.sim.views.charts import Chart, Series, Table
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit, quantity, significant
from cutlayer.sim.views.studies import formatted, heading


def front_charts(rows: Sequence[Row], front: Sequence[Row]) -> list[tuple[Chart, ...]]:
    """Return time against traffic for every point and method, with larger markers on the front."""
    chosen = {(row["point"], row["label"]) for row in front}
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    times = [known for row in rows if (known := _number(row["virtual_time_s"]))]
    if not times:
        return []
    unit, scale = common_unit(times, TIMES)
    volumes = [known for row in rows if (known := _number(row["wire_bytes_per_client_round"]))]
    size, by = common_unit(volumes, BYTES)
    series = []
    for number, label in enumerate(labels):
        for on_front in (False, True):
            members = [
                row
                for row in rows
                if row["label"] == label
                and row["virtual_time_s"] is not None
                and ((row["point"], label) in chosen) == on_front
            ]
            if members:
                series.append(
                    Series(
                        f"{label}, on the front" if on_front else label,
                        [float(row["virtual_time_s"] or 0) / scale for row in members],
                        [float(row["wire_bytes_per_client_round"] or 0) / by for row in members],
                        number,
                        texts=[_about(row) for row in members],
                        bold=on_front,
                    )
                )
    return [
        (
            Chart(
                "pareto",
                "Virtual time and traffic of all points",
                "points",
                series,
                f"virtual time ({unit})",
                f"traffic per client and round ({size})",
                x_log=True,
                y_log=True,
                note="The front considers all objectives, also energy and accuracy if known.",
            ),
        )
    ]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _about(row: Row) -> str:
    names = list(row)
    axes = names[names.index("point") + 1 : names.index("seed")]
    lines = [f"{name} = {row[name]}" for name in ("point", *axes, "label")]
    time, accuracy = _number(row["virtual_time_s"]), _number(row["accuracy_final"])
    if time is not None:
        lines.append(f"virtual time {quantity(time, TIMES)}")
    if accuracy is not None:
        lines.append(f"accuracy {accuracy:.2%}")
    if (value := _number(row.get("metric_final"))) is not None:
        lines.append(f"{row['metric']} {value:.4g}")
    return "\n".join(lines)


def tornado(rows: Sequence[Row]) -> list[Any]:
    """Return how much each assumption changes the result of each method, and the figures."""
    if not rows:
        return []
    charts = []
    for label in dict.fromkeys(str(row["label"]) for row in rows):
        own = [row for row in rows if row["label"] == label and row["base"]]
        if not own:
            continue
        base = float(own[0]["base"] or 1)
        factor = float(own[0]["factor"] or 2)
        series = []
        for number, (way, name) in enumerate(
            (("less", f"divided by {factor:g}"), ("more", f"times {factor:g}"))
        ):
            members = [row for row in own if row[way] is not None]
            changes = [float(row[way] or 0) / base - 1 for row in members]
            series.append(
                Series(
                    name,
                    changes,
                    [str(row["assumption"]) for row in members],
                    number * 5,
                    [0.0] * len(members),
                    [
                        f"{row['assumption']} {name}: {change:+.1%}"
                        for row, change in zip(members, changes, strict=True)
                    ],
                )
            )
        charts.append(
            Chart(
                "sensitivity",
                "Sensitivity to each assumption",
                "range",
                series,
                f"change of the {own[0]['by']} (share of {significant(base, 4)})",
                choice=label,
                note="Each assumption is varied alone, from the base scenario.",
            )
        )
    return [tuple(charts), study_table("sensitivity", "Sensitivities", rows)]


def study_table(name: str, title: str, rows: Sequence[Row], leave_out: Sequence[str] = ()) -> Table:
    """Return rows as a table of texts, columns without any value left out."""
    columns = [c for c in rows[0] if c not in leave_out and any(r[c] is not None for r in rows)]
    texts = [[formatted(c, row[c], row) for c in columns] for row in rows]
    return Table(name, title, [heading(column) for column in columns], texts)

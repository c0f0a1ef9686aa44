"""The tabs of a study: measures over its axes, crossovers, best values, fronts, sensitivities."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from cutlayer.sim.report.run_page import PREDICTED, flat_versions
from cutlayer.sim.report.study_axes import over_axes
from cutlayer.sim.report.study_curves import accuracy_charts
from cutlayer.sim.report.study_decisions import front_charts, study_table, tornado
from cutlayer.sim.report.study_maps import heat_maps
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import SavedStudy
from cutlayer.sim.tasks.metric import Metric
from cutlayer.sim.views.charts import Part, Source, Tab, Table, Words
from cutlayer.sim.views.studies import crossover_sentences

ADVICE: Final = (
    "This study has no intervals: `cutlayer sweep STUDY --draws 200` times every point at 200 draws of"
    " the figures that are not known exactly."
)
FIGURES: Final = ("round_time", "virtual_time", "target")
ENDS: Final = ("low", "high")


def study_source(study: SavedStudy) -> Source:
    """Return the tabs of a study."""
    rows = study.table("points")
    counted = study.summary["trainings"]
    subtitle = (
        f"{study.study.get('description', '')} {study.summary['points']} points,"
        f" {study.summary['cells']} runs of a method"
    )
    if study.summary["infeasible"]:
        subtitle += f", {study.summary['infeasible']} of which do not fit into memory"
    if counted["curves"]:
        subtitle += (
            f"; {counted['curves']} learning curves from {counted['needed']} trainings"
            f" ({counted['shared']} shared by equal learning digests)"
        )
    decisions: list[Any] = []
    crossovers = study.table("crossovers")
    if crossovers:
        rows_of = [[text] for text in crossover_sentences(crossovers, list(study.axes))]
        decisions.append(Table("crossovers", "Crossovers", ["Found by bisection"], rows_of))
    best = study.table("best")
    if best:
        title = f"The best {best[0]['axis']} by {best[0]['by']}"
        decisions.append(study_table("best", title, best, ("axis", "by")))
    front = study.table("pareto")
    tabs = [
        Tab("Results", [*over_axes(study, rows), *decisions]),
        Tab(Metric.read(study.summary.get("metric")).heading, accuracy_charts(study)),
        Tab("Heat maps", heat_maps(study, rows)),
        Tab(
            "Pareto",
            [
                *front_charts(rows, front),
                *([study_table("pareto", "Pareto front", front)] if front else []),
            ],
        ),
        Tab("Sensitivity", tornado(study.table("sensitivity"))),
        Tab("Uncertainty", _uncertainty(study, rows)),
        Tab("Points", [_points(study, rows)]),
        Tab("Assumptions", [_study_file(study)]),
        Tab("Provenance", [_provenance(study)]),
    ]
    return Source(study.name, subtitle.strip() + ".", [t for t in tabs if any(p for p in t.parts)])


def _uncertainty(study: SavedStudy, rows: Sequence[Row]) -> list[Part]:
    """Return the intervals of all points and of the decisions; without draws how to get them."""
    known = study.uncertainty
    if known is None:
        return [Words("draws", "How sure the times are", [ADVICE])]
    lines = [
        f"{known['draws']} draws of the figures that are not known exactly, the same for all points and"
        f" methods; intervals hold {known['interval']:.0%} of them."
    ]
    if len(study.summary["seeds"]) > 1:
        lines.append(f"They are draws of seed {study.summary['seeds'][0]}.")
    decided = [row for row in study.table("crossovers") if row.get("drawn_share") not in (None, 0)]
    lines += crossover_sentences(decided, list(study.axes))
    columns = ["point", *study.axes, "label", *(f"{f}_{end}_s" for f in FIGURES for end in ENDS)]
    drawn = [row for row in rows if row.get("round_time_low_s") is not None]
    parts: list[Part] = [Words("draws", "How sure the times are", lines)]
    if drawn:
        shown = [{name: row[name] for name in columns} for row in drawn]
        parts.append(study_table("intervals", "Intervals", shown))
    return parts


def _study_file(study: SavedStudy) -> Words:
    text = yaml.safe_dump(dict(study.study), sort_keys=False, allow_unicode=True)
    return Words("study", "Study file", text.splitlines(), code=True)


def _points(study: SavedStudy, rows: Sequence[Row]) -> Table:
    columns = [
        "point",
        *study.axes,
        "seed",
        "label",
        "status",
        "virtual_time_s",
        "wire_bytes_per_client_round",
        "energy_j",
        "accuracy_final",
        "curve",
        "note",
    ]
    return study_table("points", "All points", [{n: row[n] for n in columns} for row in rows])


def _provenance(study: SavedStudy) -> Table:
    rows = [[key, str(value)] for key, value in flat_versions(study.versions)]
    rows += [["guessed figures", str(figure)] for figure in study.versions.get("coarse") or ()]
    digests = {
        (str(row["label"]), str(row["learning_digest"]))
        for row in study.table("points")
        if row["learning_digest"] is not None
    }
    rows += [[f"learning digest of {label}", digest] for label, digest in sorted(digests)]
    return Table("provenance", "Versions and digests", ["what", "value"], rows, PREDICTED)

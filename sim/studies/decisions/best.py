"""Find the best value of an axis, for every method and combination of the other axes."""

import numpy as np

from cutlayer.sim.results.columns import Row
from cutlayer.sim.studies.measures import Measured
from cutlayer.sim.studies.result import CellResult, StudyResult


def best_rows(study: StudyResult, axis: str, measure: Measured) -> list[Row]:
    """Return a row for each method and combination: the best and second-best value of `axis`.

    Figures are means over the seeds. `infeasible` counts the values that do not fit into memory. If the
    measure is unknown at every value, the best value is None.
    """
    rows: list[Row] = []
    groups: dict[tuple[str, ...], list[CellResult]] = {}
    for found in study.cells:
        others = tuple(text for name, text in found.point.labels.items() if name != axis)
        groups.setdefault((*others, found.cell.label), []).append(found)
    for members in groups.values():
        first = members[0]
        by_value: dict[str, list[float | None]] = {}
        for found in members:
            value = None if found.result is None else measure.of(found.result)
            by_value.setdefault(found.point.labels[axis], []).append(value)
        means = {
            text: float(np.mean([v for v in values if v is not None]))
            for text, values in by_value.items()
            if None not in values
        }
        row: Row = {name: t for name, t in first.point.labels.items() if name != axis}
        row |= {"label": first.cell.label, "by": measure.name, "axis": axis}
        row |= {"best": None, "value": None, "second": None, "second_over_best": None}
        row["infeasible"] = len({f.point.number for f in members if f.result is None})
        order = sorted(
            means, key=lambda text: -means[text] if measure.more_is_better else means[text]
        )
        if order:
            row |= {"best": order[0], "value": means[order[0]]}
        if len(order) > 1:
            ratio = means[order[1]] / means[order[0]] if means[order[0]] else None
            row |= {"second": order[1], "second_over_best": ratio}
        rows.append(row)
    return rows

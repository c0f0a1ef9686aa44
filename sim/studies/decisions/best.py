"""Find the best value of an axis, for every method and combination of the other axes."""

from cutlayer.sim.results.columns import Row
from cutlayer.sim.studies.measures import Measured
from cutlayer.sim.studies.result import CellResult, StudyResult


def best_rows(study: StudyResult, axis: str, measure: Measured) -> list[Row]:
    """Return a row for each method and combination: the best and second-best value of `axis`.

    Figures are means over the seeds. `infeasible` counts the values that do not fit into memory. If the
    measure is unknown at every value, the best value is None.
    """
    rows: list[Row] = []
    groups: dict[tuple[str, ...], list[list[CellResult]]] = {}
    for (_, label), cells in study.by_point.items():
        others = [text for name, text in cells[0].point.labels.items() if name != axis]
        groups.setdefault((*others, label), []).append(cells)
    for (*_, label), members in groups.items():
        means = {}
        for cells in members:
            results = [cell.result for cell in cells if cell.result is not None]
            mean = measure.mean(results)
            if mean is not None and len(results) == len(cells):
                means[cells[0].point.labels[axis]] = mean
        labels = members[0][0].point.labels
        row: Row = {name: text for name, text in labels.items() if name != axis}
        row |= {"label": label, "by": measure.name, "axis": axis}
        row |= {"best": None, "value": None, "second": None, "second_over_best": None}
        row["infeasible"] = sum(any(cell.result is None for cell in cells) for cells in members)
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

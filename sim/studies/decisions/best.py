"""Find the best value of an axis, for every method and combination of the other axes."""

from cutlayer.sim.results.columns import Row, ratio
from cutlayer.sim.studies.decisions.drawn import drawn_best, is_drawn
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
        means: dict[str | None, float] = {}
        for cells in members:
            mean = measure.mean(cell.result for cell in cells)
            if mean is not None:
                means[cells[0].point.labels[axis]] = mean
        order = sorted(means, key=lambda text: means[text], reverse=measure.more_is_better)
        labels = members[0][0].point.labels
        best, second = [*order, None, None][:2]
        drawn = drawn_best(members, axis, best, measure) if is_drawn(study) else {}
        rows.append(
            {
                **{name: text for name, text in labels.items() if name != axis},
                "label": label,
                "by": measure.name,
                "axis": axis,
                "best": best,
                "value": means.get(best),
                "second": second,
                "second_over_best": ratio(means.get(second), means.get(best)),
                "infeasible": sum(any(cell.result is None for cell in cells) for cells in members),
                **drawn,
            }
        )
    return rows

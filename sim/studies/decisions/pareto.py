"""Pareto fronts: the combinations of point and method that no other one dominates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.results.columns import Row
from cutlayer.sim.studies.measures import WITH_TARGET, Measured
from cutlayer.sim.studies.result import StudyResult


def pareto_rows(study: StudyResult, aims: Sequence[Measured]) -> list[Row]:
    """Return the cells on the front over the `aims`, means over seeds.

    Cells that never reached a target are left out. Any other aim counts only if it is known for all
    remaining cells; the energy of some devices is not.
    """
    reached = {}
    for key, cells in study.by_point.items():
        means = [aim.mean(cell.result for cell in cells) for aim in aims]
        missed = any(
            mean is None for aim, mean in zip(aims, means, strict=True) if aim.by in WITH_TARGET
        )
        if cells[0].result is not None and not missed:
            reached[key] = means
    used = [i for i in range(len(aims)) if all(row[i] is not None for row in reached.values())]
    if not reached or len(used) < 2:
        return []
    signs = np.array([-1.0 if aims[i].more_is_better else 1.0 for i in used])
    table = np.array([[row[index] for index in used] for row in reached.values()], dtype=float)
    rows: list[Row] = []
    for key, values, chosen in zip(reached, table, non_dominated(table * signs), strict=True):
        if chosen:
            point = study.by_point[key][0].point
            row: Row = {"point": point.number, **point.labels, "label": key[1]}
            row |= {aims[i].name: float(v) for i, v in zip(used, values, strict=True)}
            rows.append(row)
    return rows


def non_dominated(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each row whether no other row dominates it: nowhere larger, and smaller in one column.

    In lexicographic order no row is dominated by a later one, so each is compared only with the front
    so far.
    """
    distinct, of_row = np.unique(table, axis=0, return_inverse=True)
    front = np.empty_like(distinct)
    kept = np.zeros(len(distinct), dtype=bool)
    length = 0
    for index, row in enumerate(distinct):
        if not (front[:length] <= row).all(axis=1).any():
            front[length] = row
            length += 1
            kept[index] = True
    chosen: NDArray[np.bool_] = kept[of_row.reshape(-1)]
    return chosen

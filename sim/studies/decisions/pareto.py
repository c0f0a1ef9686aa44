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
    candidates: dict[tuple[int, str], list[list[float | None]]] = {}
    points = {}
    for found in study.cells:
        if found.result is not None:
            key = found.point.number, found.cell.label
            points[key] = found
            candidates.setdefault(key, []).append([aim.of(found.result) for aim in aims])
    targets = [i for i, aim in enumerate(aims) if aim.by in WITH_TARGET]
    reached = {
        key: runs
        for key, runs in candidates.items()
        if all(run[i] is not None for run in runs for i in targets)
    }
    used = [
        index
        for index, _ in enumerate(aims)
        if all(run[index] is not None for runs in reached.values() for run in runs)
    ]
    if not reached or len(used) < 2:
        return []
    known = {
        key: [float(np.mean([run[i] for run in runs])) for i in used]
        for key, runs in reached.items()
    }
    signs = np.array([-1.0 if aims[i].more_is_better else 1.0 for i in used])
    table = np.array(list(known.values())) * signs
    front = non_dominated(table)
    rows: list[Row] = []
    for (key, values), chosen in zip(known.items(), front, strict=True):
        if chosen:
            found = points[key]
            row: Row = {"point": found.point.number, **found.point.labels, "label": key[1]}
            row |= {aims[i].name: value for i, value in zip(used, values, strict=True)}
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

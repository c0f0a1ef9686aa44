"""Time the cells of a study at draws of the figures that are not known exactly.

A draw depends on the seed, the figure's name and its own number, so that draw i has the same factors at
all points: differences between points are not noise. Only cells of the first seed are drawn.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cutlayer.models.own_object import folders_looked_in
from cutlayer.sim.studies.content_address import draws_address
from cutlayer.sim.studies.result import CellResult
from cutlayer.sim.studies.runner import Runner, together
from cutlayer.sim.uncertainty.run import Draw, DrawsJob, learned_from
from cutlayer.sim.uncertainty.statistics import FIGURES


def draw_cells(rows: Sequence[CellResult], runner: Runner) -> None:
    """Add their draws to the rows whose scenario asks for them and whose rounds end.

    Raises OutputError if they cannot be stored, JobError if jobs failed.
    """
    first = rows[0].cell.seed if rows else None
    by_address: dict[str, list[CellResult]] = {}
    for row in rows:
        section, result = row.cell.scenario.get("uncertainty"), row.result
        if section is None or result is None or result.stalled or row.cell.seed != first:
            continue
        learned = [learned_from(result), _target(row, runner)]
        by_address.setdefault(draws_address(row.cell.address, section, learned), []).append(row)
    if not by_address:
        return
    known = runner.draws.stored(by_address)
    missing = {address: rows for address, rows in by_address.items() if address not in known}
    groups = together({address: rows[0].cell for address, rows in missing.items()})
    jobs = [
        _job({cell.label: missing[address][0] for address, cell in group}, runner)
        for group in groups
    ]
    runner.new["draws"] = len(missing)

    def done(number: int, draws: list[Draw]) -> None:
        for address, cell in groups[number]:
            known[address] = _columns(draws, cell.label)
            runner.draws.put(address, known[address])

    runner.do(jobs, done, "points drawn")
    for address, members in by_address.items():
        columns = {
            name: np.array([np.nan if v is None else v for v in values], dtype=np.float64)
            for name, values in known[address].items()
        }
        for row in members:
            row.draws = columns


def _job(rows: Mapping[str, CellResult], runner: Runner) -> DrawsJob:
    """Return the job that makes the draws of some methods of a point, by label."""
    row = next(iter(rows.values()))
    first = row.cell
    methods = [row.cell.scenario["methods"][0] for row in rows.values()]
    learned = {
        label: learned_from(row.result) for label, row in rows.items() if row.result is not None
    }
    return DrawsJob(
        json.dumps({**first.scenario, "methods": methods}),
        first.seed,
        learned,
        _target(row, runner),
        0,
        int(first.scenario["uncertainty"]["draws"]),
        folders_looked_in(),
        f"{first.where}, {', '.join(rows)}",
    )


def _target(row: CellResult, runner: Runner) -> float | None:
    """Return the target whose time is drawn: the best one, if the study trains."""
    return row.best_target if runner.trains else None


def _columns(draws: Sequence[Draw], label: str) -> dict[str, Any]:
    return {name: [getattr(draw.methods[label], name) for draw in draws] for name in FIGURES}

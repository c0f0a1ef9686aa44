"""Check every point of a study before anything runs."""

from collections.abc import Callable, Iterable
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.problems import Problem, ScenarioError
from cutlayer.scenarios.study import LoadedStudy, Point
from cutlayer.sim.build.checks import plan_feasible
from cutlayer.sim.data.datasets import load
from cutlayer.sim.results.columns import STUDY_TABLES
from cutlayer.sim.run.run import data_folder
from cutlayer.sim.studies.cells import Shared, cells_of
from cutlayer.sim.studies.result import CellResult

MAX_SHOWN = 10

Progress = Callable[[str, int, int, str], None]  # task, done, total, current item


class StudyError(UserError):
    """A study with points that cannot be run; the message lists them."""


def check_points(
    study: LoadedStudy,
    *,
    trains: bool,
    data_dir: Path | None = None,
    progress: Progress = lambda *_: None,
) -> list[CellResult]:
    """Return the cells of all points. Raises StudyError with the problems of all points.

    Raises ScenarioError for an axis with the name of a result. If the study `trains`, data and weights
    must be available.
    """
    taken = {column.name for column in STUDY_TABLES["points"]}
    rule = "is a column of the results: choose another name"
    if same := [
        study.document.problem(("axes", index, "name"), rule, axis.name)
        for index, axis in enumerate(study.study.axes)
        if axis.name in taken
    ]:
        raise ScenarioError(same)
    cells: list[CellResult] = []
    wrong: list[str] = []
    data: set[tuple[object, ...]] = set()
    pieces = Shared()
    for point in study.points:
        progress("points checked", point.number, len(study.points), "")
        try:
            cells += check_point(
                study, point, trains=trains, data_dir=data_dir, seen=data, pieces=pieces
            )
        except ScenarioError as error:
            # Without their lines in the base scenario, which is not the cause.
            problems = [Problem(p.path, None, p.rule, p.value, "") for p in error.problems]
            wrong += [f"{study.document.source}: {point}: {problem}" for problem in problems]
    progress("points checked", len(study.points), len(study.points), "")
    if wrong:
        more = len(wrong) - MAX_SHOWN
        shown = wrong[:MAX_SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        raise StudyError("\n".join(shown))
    return cells


def check_point(
    study: LoadedStudy,
    point: Point,
    *,
    trains: bool,
    data_dir: Path | None = None,
    seen: set[tuple[object, ...]] | None = None,
    extra: Iterable[str] = (),
    pieces: Shared | None = None,
) -> list[CellResult]:
    """Return the cells of one point, or why they do not fit into memory; nothing is run.

    Raises ScenarioError if the point cannot be run, DataError if data is missing.
    """
    loaded = study.scenario(point, extra)
    with looking_in([*beside(loaded.document.source), *beside(study.document.source)]):
        plans, problems = plan_feasible(loaded, trains=trains)
        seen = set() if seen is None else seen
        directory = data_folder(loaded.scenario, data_dir)
        for info in dict.fromkeys(plan.info for plan in plans) if trains else ():
            if (info, directory) not in seen:
                load(info, directory)
                seen.add((info, directory))
        cells = tuple(cells_of(loaded, str(point), pieces or Shared()))
    infeasible = {label: "; ".join(p.rule for p in found) for label, found in problems.items()}
    return [CellResult(point, cell, infeasible=infeasible.get(cell.label)) for cell in cells]

"""The whole run folder of a point that is asked for: intervals, links, devices."""

from pathlib import Path

from cutlayer.sim.results.folder import claim_folder
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.write import Views, no_views
from cutlayer.sim.run.run import folder_kind, run
from cutlayer.sim.studies.result import StudyResult
from cutlayer.sim.studies.stored import curve_of


def write_full(
    study: StudyResult, number: int, folder: Path, views: Views = no_views
) -> list[RunResult]:
    """Play a point again, give it its curves, and write its run folder, in place of an earlier one.

    A method that does not fit into memory is left out. A cell that was trained as it was timed is
    trained again.
    """
    point = study.study.points[number]
    found = [cell for cell in study.cells if cell.point.number == number and cell.result]
    if not found:
        return []
    alone = any(cell.cell.alone for cell in found)
    curves = {
        (cell.cell.seed, cell.cell.label): None
        if alone or cell.curve is None or cell.result is None
        else curve_of(cell.result)
        for cell in found
    }
    scenario = study.study.scenario(point)
    with claim_folder(folder, folder_kind(scenario), option="", resume=True) as claimed:
        return run(
            scenario,
            executor="inline" if alone else "none",
            out=claimed,
            curves=curves,
            views=views,
        )

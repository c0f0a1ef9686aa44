"""Run a study: check every point, time all cells, train each learning digest once, decide, write."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.scenarios.study import LoadedStudy
from cutlayer.scenarios.study import load_study as read_study_file
from cutlayer.sim.files.atomic import errors_named, remove_stale_parts, write_json
from cutlayer.sim.files.code_digest import code_digest
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.process.jobs import Here, Workers
from cutlayer.sim.results.curve import curve_of
from cutlayer.sim.results.folder import RESUME, ResultFolder, claim_folder
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.write import Views, no_views
from cutlayer.sim.run.run import folder_kind, load_scenario, run, versions
from cutlayer.sim.studies.check import Progress, check_points
from cutlayer.sim.studies.content_address import CELL_CODE
from cutlayer.sim.studies.decisions.best import best_rows
from cutlayer.sim.studies.decisions.crossovers import crossover_rows
from cutlayer.sim.studies.decisions.pareto import pareto_rows
from cutlayer.sim.studies.decisions.sensitivity import sensitivity_rows, unknown
from cutlayer.sim.studies.draws import draw_cells
from cutlayer.sim.studies.folder import CELLS, DRAWS, TRAININGS, begin, claim_study, write_results
from cutlayer.sim.studies.measures import TRAINED, WITH_TARGET, Measured
from cutlayer.sim.studies.result import CellResult, StudyResult
from cutlayer.sim.studies.result_store import Report, Store
from cutlayer.sim.studies.runner import Runner
from cutlayer.sim.tasks.sections import metric_of_task
from cutlayer.sim.uncertainty.run import add_draws

_IN_A_WORKER: Final = {"processes": "inline", "dask": "inline"}  # executors with the same bits


def load_study(path_or_name: str | Path, draws: int | None = None) -> LoadedStudy:
    """Load a study file, or a shipped study by name. Raises ScenarioError.

    `draws` is the number of draws of each point, in place of the study's own.
    """
    return read_study_file(path_or_name, load_scenario, draws)


def sweep(
    study: LoadedStudy | str | Path,
    *,
    executor: str = "inline",
    device: str = "cpu",
    out: Path | ResultFolder | None = None,
    workers: Workers | None = None,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = lambda *_: None,
    warn: Report = warnings.warn,
    resume_file: Callable[[], Mapping[str, Any]] | None = None,
) -> StudyResult:
    """Run a study into the folder `out`; an interrupted sweep in it is continued.

    `out` is a new or empty folder, one with this study, or one that the caller has claimed; without it
    results are stored in a temporary folder. Without `workers` everything runs in this process.
    `executor="none"` times cells and trains nothing; "processes" and "dask" mean "inline", because each
    training already runs in one of the workers. `device` is the device of torch that trains. `cache` is
    a folder of learning curves that several studies share. `warn` gets one line for each damaged file,
    which is computed again. `resume_file` returns the content of resume.json, which is written before
    anything runs.

    Raises ScenarioError or StudyError before anything runs, OutputError if results cannot be stored, and
    JobError if jobs failed. Results that were stored by then stay.
    """
    loaded = study if isinstance(study, LoadedStudy) else load_study(study)
    executor = _IN_A_WORKER.get(executor, executor)
    trains = open_runtime(executor, ExecutorSettings(device=device)) is not None
    with ExitStack() as stack:
        sources = (loaded.base.document.source, loaded.document.source)
        stack.enter_context(looking_in([folder for file in sources for folder in beside(file)]))
        if isinstance(out, Path):
            out = stack.enter_context(claim_study(out, loaded.study.name))
        measures = _measures(loaded, trains)
        cells = check_points(loaded, trains=trains, data_dir=data_dir, progress=progress)
        if cache is not None:
            with errors_named(cache):
                cache.mkdir(parents=True, exist_ok=True)
                remove_stale_parts(cache)
        folder = out.path if out else Path(stack.enter_context(TemporaryDirectory()))
        with workers or Here() as doing:
            if out is not None:
                begin(out, loaded, warn)
                if resume_file is not None:
                    write_json(out.path / RESUME, resume_file())
            runner = Runner(
                Store(folder / CELLS, warn),
                Store(cache or folder / TRAININGS, warn, sync=True),
                Store(folder / DRAWS, warn),
                doing,
                executor=executor,
                data_dir=data_dir,
                progress=progress,
                check_folder=out.check if out else lambda: None,
                device=device,
            )
            result = _result(loaded, executor, cells, runner)
            _decide(result, runner, measures)
        if out is not None:
            result.path = out.path
            write_results(result, out)
        return result


def write_full(
    study: StudyResult, number: int, folder: Path, views: Views = no_views, device: str = "cpu"
) -> list[RunResult]:
    """Play one point again and write its whole run folder: intervals, links, devices.

    The methods take the study's learning curves; `alone` cells are trained again. Methods that do not
    fit into memory are left out. An earlier folder of the point is replaced.
    """
    point = study.study.points[number]
    cells = [c for c in study.cells if c.point.number == number and c.result]
    if not cells:
        return []
    alone = any(c.cell.alone for c in cells)
    curves = {
        (c.cell.seed, c.cell.label): curve_of(c.result)
        if c.result and c.curve and not alone
        else None
        for c in cells
    }
    scenario = study.study.scenario(point)
    with claim_folder(folder, folder_kind(scenario), option="", resume=True) as claimed:
        results = run(
            scenario,
            executor=study.versions["executor"] if alone else "none",
            device=device if alone else "cpu",
            out=claimed,
            curves=curves,
            views=views,
        )
        add_draws(scenario, results)
        return results


def _common(numerics: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what is equal in the numerics of all cells; None if none trains."""
    first: Mapping[str, Any] = numerics[0] if numerics else {}
    return {
        name: value for name, value in first.items() if all(n[name] == value for n in numerics)
    } or None


def _result(
    loaded: LoadedStudy, executor: str, cells: list[CellResult], runner: Runner
) -> StudyResult:
    """Run all feasible cells and record where each curve came from."""
    feasible = [row for row in cells if row.infeasible is None]
    results = runner.run([row.cell for row in feasible])
    versions_used = versions(executor, None, _common([runner.numerics(r.cell) for r in feasible]))
    versions_used |= {"code": code_digest(CELL_CODE)}
    del versions_used["data"]
    result = StudyResult(loaded, versions_used, cells, new=runner.new)
    counts = result.trainings
    trained: set[str | None] = set()
    for row, found in zip(feasible, results, strict=True):
        row.result = found
        if runner.trains:
            key = runner.trained_by(row.cell, found)
            row.curve = "alone" if key is None else "shared" if key in trained else "own"
            trained.add(key)
            counts.alone += row.curve == "alone"
            counts.curves += 1
            counts.needed += row.curve != "shared"
    draw_cells(cells, runner)
    coarse = [c for found in result.cells if found.result for c in found.result.coarse]
    versions_used["coarse"] = list(dict.fromkeys(coarse))
    return result


def _measures(loaded: LoadedStudy, trains: bool) -> dict[str, Measured]:
    """Return the measure of each decision, by default for the highest target of the scenario.

    Raises ScenarioError if the study cannot have it.
    """
    study, found = loaded.study, {}
    scenario = loaded.base.scenario
    metric = metric_of_task(scenario.task)
    highest = metric.best(scenario.training.target_values)
    if study.sensitivity is not None and (complaint := unknown(study.sensitivity.of)):
        raise ScenarioError([loaded.document.problem(("sensitivity", "of"), complaint)])
    for name in ("crossovers", "best", "sensitivity"):
        section = getattr(study, name)
        if section is None:
            continue
        target = highest if section.target is None else section.target
        if section.by in WITH_TARGET and target is None:
            rule = f"{section.by} needs a target: give one, or training.targets in the scenario"
            raise ScenarioError([loaded.document.problem((name, "by"), rule)])
        found[name] = Measured(section.by, target if section.by in WITH_TARGET else None, metric)
        if section.by in TRAINED and not trains:
            rule = "needs an accuracy, and the executor none trains nothing"
            rule += ": use inline, or decide by time or bytes"
            raise ScenarioError([loaded.document.problem((name, "by"), rule)])
    return found


def _decide(result: StudyResult, runner: Runner, measures: dict[str, Measured]) -> None:
    study, scenario = result.study.study, result.study.base.scenario
    metric = metric_of_task(scenario.task)
    decided = result.decisions
    if study.crossovers is not None:
        by = measures["crossovers"]
        decided["crossovers"] = crossover_rows(result, runner, study.crossovers, by)
    if study.best is not None:
        decided["best"] = best_rows(result, study.best.axis, measures["best"])
    if study.sensitivity is not None:
        by = measures["sensitivity"]
        decided["sensitivity"] = sensitivity_rows(result, runner, study.sensitivity, by)
    aims = [Measured("time"), Measured("bytes"), Measured("energy")]
    if runner.trains:
        aims.append(Measured("accuracy", metric=metric))
        if (target := metric.best(scenario.training.target_values)) is not None:
            aims[0] = Measured("time_to_target", target, metric)
    decided["pareto"] = pareto_rows(result, aims)

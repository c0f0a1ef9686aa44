"""Run a scenario: every method in a world of its own, for each seed, and keep the results."""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cutlayer.errors import UserError
from cutlayer.models.catalogue import MODELS
from cutlayer.models.given_objects import given_names
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.load import load as read_scenario
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.checks import plan_checked, plan_feasible, problems_beside
from cutlayer.sim.data.datasets import DATASETS, Dataset, load
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import begin, executor_entry, open_runtime
from cutlayer.sim.loggers.logger import MakeLogger
from cutlayer.sim.methods.registry import OPTIONS
from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.results.folder import ResultFolder, claim_folder
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.write import Views, no_views
from cutlayer.sim.run.coordinator import Coordinator
from cutlayer.sim.run.progress import Progress
from cutlayer.sim.run.resumable import Resumable
from cutlayer.sim.run.seed_run import Curves, LogName, SeedRun
from cutlayer.version import __version__


def load_scenario(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Loaded:
    """Load a scenario file, or a shipped scenario by name, with overrides such as `seed=3`.

    Raises ScenarioError, a ValueError that lists all of its problems.
    """
    return read_scenario(
        path_or_name,
        methods=OPTIONS,
        models=MODELS,
        datasets=DATASETS,
        overrides=overrides,
        further=problems_beside,
    )


def run(
    scenario: Loaded | str | Path,
    *,
    executor: str = "inline",
    jobs: int | None = None,
    threads: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    out: Path | ResultFolder | None = None,
    log: LogName = "rounds",
    reuse: bool = True,
    data_dir: Path | None = None,
    progress: Progress | None = None,
    curves: Curves | None = None,
    views: Views = no_views,
    loggers: Sequence[MakeLogger] = (),
    resumable: Resumable | None = None,
    save_model: bool = False,
    confusion: bool = False,
) -> list[RunResult]:
    """Run every method of a scenario for each of its seeds; return one result per seed.

    `executor` is a name of `cutlayer.sim.learning.executors`: "inline" trains in this process,
    "processes" in `jobs` worker processes (default: one per core),
    "stacked" in this process with up to `jobs` clients of equal shape side by side (default: 32), and
    "none" simulates time and bytes only, without tensors and data. `scheduler` is the address of a
    cluster, `device` one of torch. Each process trains with `threads` torch threads; the number of this
    process is restored afterwards. All methods and seeds share the workers; the results do not depend on
    them. Workers do not import the script that calls `run`, so that what it defines must be in a module.

    `out` is a new or empty folder, or one that the caller has claimed. Results are written there as
    rounds close, in seed-N/ if there are several seeds. `views` adds files to a seed's folder before its
    status is written. `log="events"` keeps the intervals of all rounds.

    The `uncertainty` of the scenario is not used here: `cutlayer.add_draws` adds draws to the results.

    `loggers` are classes of loggers, see `cutlayer.Logger`: each is called once for every seed, and its
    object receives the figures of that seed's rounds as they close.

    With `save_model`, the folder `models` gets the final and the best model of each method, which
    `cutlayer.load_model` loads.

    With `confusion`, the results have the confusion of classes in the last evaluation of each method.

    With `resumable`, the folder has what it takes to continue the run, and a run in it is continued.

    `curves` has learning curves by seed and label; only these methods are run, and not trained.

    Ctrl-C closes the rounds at hand and ends the run with the results so far and the status "stopped"; a
    second one ends it at once. Raises ScenarioError or DataError before anything is written, and
    OutputError if results cannot be written.
    """
    loaded = scenario if isinstance(scenario, Loaded) else load_scenario(scenario)
    check_importable(loaded, executor)
    begin(executor, jobs)
    folders = tuple(beside(loaded.document.source))
    progress = progress or Progress()
    if scheduler is not None and executor != "dask":
        raise UserError(f"scheduler: only the executor dask uses one (got executor {executor!r})")
    settings = ExecutorSettings(
        jobs, threads, scheduler, device, folders, progress.note, loaded.scenario.numerics
    )
    runtime = open_runtime(executor, settings)
    trains = runtime is not None
    for option, wanted in (("--save-model", save_model), ("--confusion", confusion)):
        if wanted and not trains:
            raise UserError(f"{option} needs an executor that trains (got executor {executor!r})")
    if save_model and out is None:
        raise UserError("save_model: models are saved in the folder of the run, and none is given")
    with ExitStack() as stack:
        stack.enter_context(looking_in(beside(loaded.document.source)))
        if trains:
            stack.enter_context(_torch_threads(threads))
        if isinstance(out, Path):
            out = stack.enter_context(claim_folder(out, folder_kind(loaded), option="folder"))
        if curves is None:
            plans = plan_checked(loaded, trains=trains)
        else:  # methods that do not fit into memory are not among them
            plans, _ = plan_feasible(loaded, trains=trains)
        infos = dict.fromkeys(plan.info for plan in plans if trains)  # seeds may share a data set
        directory = data_folder(loaded.scenario, data_dir)
        datasets = {info: load(info, directory) for info in infos}
        seeds = []
        for plan in plans:
            dataset = plan.skewed(datasets[plan.info]) if trains else None
            used = versions(executor, dataset, None)
            if curves is not None:
                used["curves"] = "attached: trained once for each learning digest"
            seeds.append(
                SeedRun(
                    plan,
                    dataset,
                    RunResult(loaded.resolved(), plan.seed, used, methods={}, status="stopped"),
                    progress,
                    runtime=runtime,
                    out=out,
                    several=len(plans) > 1,
                    log=log,
                    reuse=reuse,
                    curves=curves,
                    views=views,
                    loggers=loggers,
                    resumable=resumable,
                    save_model=save_model,
                    confusion=confusion,
                )
            )
        progress.planned([method for seed in seeds for method in seed.planned])
        if runtime is not None:
            numerics = stack.enter_context(runtime).numerics()
            for seed in seeds:
                seed.result.versions["numerics"] = numerics
        assert resumable is None or out is not None, "only a run in a folder can be resumed"
        coordinator = Coordinator(seeds, runtime, stack)
        try:
            with held_back():
                with suppress(KeyboardInterrupt):
                    coordinator.play()
                for seed in coordinator.begun:
                    seed.finish()
        except KeyboardInterrupt:  # while the last files were written
            coordinator.begun[-1].result.status = "stopped"
    return [seed.result for seed in seeds if seed in coordinator.begun]


def check_importable(loaded: Loaded, executor: str) -> None:
    """Raise ScenarioError for objects of this process that an executor's workers cannot import."""
    if executor_entry(executor).elsewhere:
        rule = (
            "cannot be imported by worker processes: define it at the top level of a module"
            f" (a file such as my_objects.py), or use the executor inline, not {executor}"
        )
        problems = [
            loaded.problem(path, rule, name) for path, name in given_names(loaded.document.data)
        ]
        if problems:
            raise ScenarioError(problems)


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """Let torch use `threads` threads in this process until the block ends."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def folder_kind(loaded: Loaded) -> str:
    """Return the kind of result folder that a scenario's run needs."""
    return "seeds" if len(loaded.scenario.all_seeds) > 1 else "run"


def data_folder(scenario: Scenario, given: str | Path | None) -> Path | None:
    """Return the folder of the data: the one that was given, or the scenario's."""
    folder = given or scenario.data.dir
    return Path(folder) if folder else None


def versions(
    executor: str, dataset: Dataset | None, numerics: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the versions behind the numbers: of the code and of what a training's bits depend on."""
    return {
        "cutlayer": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numerics": numerics,
        "executor": executor,
        "data": None if dataset is None else dataset.identity,
    }

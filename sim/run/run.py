"""Run a scenario: every method in a world of its own, for each seed, and keep the results."""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cutlayer.models.catalogue import MODELS
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.load import load as read_scenario
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.checks import plan_checked, plan_feasible, problems_beside
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.data.datasets import DATASETS, Dataset, load
from cutlayer.sim.learning.executor import ExecutorSettings, Runtime
from cutlayer.sim.learning.executors import numerics_of, open_runtime
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.loggers.live import Loggers, following
from cutlayer.sim.loggers.logger import About, MakeLogger
from cutlayer.sim.methods.registry import OPTIONS, options_of
from cutlayer.sim.process.interrupts import held_back, let_in
from cutlayer.sim.results.columns import method_row
from cutlayer.sim.results.folder import ResultFolder, claim_folder
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.results.write import RunFolder, Views, no_views
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import empty_result, play
from cutlayer.sim.run.progress import MethodRun, Progress
from cutlayer.version import __version__

LogName = Literal["rounds", "events"]
Curves = Mapping[tuple[int, str], Mapping[str, Any] | None]  # by seed and label


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
    out: Path | ResultFolder | None = None,
    log: LogName = "rounds",
    reuse: bool = True,
    data_dir: Path | None = None,
    progress: Progress | None = None,
    curves: Curves | None = None,
    views: Views = no_views,
    loggers: Sequence[MakeLogger] = (),
) -> list[RunResult]:
    """Run every method of a scenario for each of its seeds; return one result per seed.

    `executor` is a name of `cutlayer.sim.learning.executors`, such as "inline" (real training) or "none"
    (time and bytes only, no tensors, no data).

    `out` is a new or empty folder, or one that the caller has claimed. Results are written there as
    rounds close, in seed-N/ if there are several seeds. `views` adds files to a seed's folder before its
    status is written. `log="events"` keeps the intervals of all rounds.

    The `uncertainty` of the scenario is not used here: `cutlayer.add_draws` adds draws to the results.

    `loggers` are classes of loggers, see `cutlayer.Logger`: each is called once for every seed, and its
    object receives the figures of that seed's rounds as they close.

    `curves` has learning curves by seed and label; only these methods are run, and not trained.

    Ctrl-C ends the run with the results so far and the status "stopped". Raises ScenarioError or
    DataError before anything is written, and OutputError if results cannot be written.
    """
    loaded = scenario if isinstance(scenario, Loaded) else load_scenario(scenario)
    runtime = open_runtime(
        executor, ExecutorSettings(folders=tuple(beside(loaded.document.source)))
    )
    trains = runtime is not None
    results = []
    with ExitStack() as stack:
        stack.enter_context(looking_in(beside(loaded.document.source)))
        if isinstance(out, Path):
            out = stack.enter_context(claim_folder(out, folder_kind(loaded), option="folder"))
        if curves is None:
            plans = plan_checked(loaded, trains=trains)
        else:  # methods that do not fit into memory are not among them
            plans, _ = plan_feasible(loaded, trains=trains)
        infos = dict.fromkeys(plan.info for plan in plans if trains)  # seeds may share a data set
        directory = data_folder(loaded.scenario, data_dir)
        datasets = {info: load(info, directory) for info in infos}
        if runtime is not None:
            stack.enter_context(runtime)
        progress = progress or Progress()
        progress.planned(
            [_method_run(plan, entry) for plan in plans for entry in _entries(plan, curves)]
        )
        for plan in plans:
            dataset = datasets.get(plan.info)
            used = versions(executor, dataset)
            result = RunResult(loaded.resolved(), plan.seed, used, methods={}, status="stopped")
            results.append(result)
            if curves is not None:
                result.versions["curves"] = "attached: trained once for each learning digest"
            runner = _Runner(plan, dataset, result, progress, log, reuse, curves, runtime, loggers)
            try:
                if out is None:
                    with runner.logged():
                        runner.run()
                elif len(plans) == 1:
                    runner.run_into(out.path, views)
                else:
                    target, resume = out.path / f"seed-{plan.seed}", out.continued
                    with claim_folder(target, "run", option="", resume=resume) as own:
                        runner.run_into(own.path, views)
            except KeyboardInterrupt:
                result.status = "stopped"
            if result.status == "stopped":
                break
    return results


def folder_kind(loaded: Loaded) -> str:
    """Return the kind of result folder that a scenario's run needs."""
    return "seeds" if len(loaded.scenario.all_seeds) > 1 else "run"


def data_folder(scenario: Scenario, given: str | Path | None) -> Path | None:
    """Return the folder of the data: the one that was given, or the scenario's."""
    folder = given or scenario.data.dir
    return Path(folder) if folder else None


@dataclass
class _Runner:
    """Runs the methods of one seed, one after another."""

    plan: Plan
    dataset: Dataset | None
    result: RunResult
    progress: Progress
    log: LogName
    reuse: bool
    curves: Curves | None
    runtime: Runtime | None
    makers: Sequence[MakeLogger]
    loggers: Loggers = field(default_factory=lambda: Loggers(()))

    @contextmanager
    def logged(self, folder: Path | None = None) -> Iterator[None]:
        """Begin the loggers, and end them at the end of the context."""
        result, entries = self.result, self.plan.scenario.methods
        about = About(
            self.plan.scenario.name,
            result.seed,
            {entry.label: entry.name for entry in entries},
            result.scenario,
            result.versions,
            folder,
        )
        with following(self.makers, about, result.summary) as self.loggers:
            yield

    def run(self, files: RunFolder | None = None) -> None:
        """Run all methods and set the result's status, which Ctrl-C leaves at "stopped"."""
        try:
            with let_in():
                for entry in _entries(self.plan, self.curves):
                    self._run_method(entry, files)
        except KeyboardInterrupt:
            return
        stalled = any(method.stalled for method in self.result.methods.values())
        self.result.status = "stalled" if stalled else "complete"

    def run_into(self, folder: Path, views: Views) -> None:
        """Run all methods into a claimed folder."""
        self.result.path = folder
        with held_back(), self.logged(folder), RunFolder(folder, self.result) as files:
            self.run(files)
            files.finish(self.result, views)

    def _run_method(self, entry: MethodEntry, files: RunFolder | None) -> None:
        method, progress = _method_run(self.plan, entry), self.progress
        result = empty_result(self.plan, entry)
        self.result.methods[entry.label] = result

        def closed(row: RoundResult) -> None:
            if files is not None:
                files.add(entry.label, entry.name, row)
            self.loggers.round_closed(
                entry.label, method_row(entry.label, entry.name, "rounds", row)
            )
            progress.round_closed(method, row)

        progress.method_started(method)
        play(
            self.plan,
            entry,
            self.dataset,
            result=result,
            progress=RoundProgress(closed, partial(progress.client_trained, method)),
            curve=None if self.curves is None else self.curves[self.plan.seed, entry.label],
            runtime=self.runtime,
            reuse=self.reuse,
            keep_all=self.log == "events",
        )
        progress.method_finished(method, result)


def _entries(plan: Plan, curves: Curves | None) -> list[MethodEntry]:
    """Return the methods of a plan that are run."""
    return [
        entry
        for entry in plan.scenario.methods
        if curves is None or (plan.seed, entry.label) in curves
    ]


def _method_run(plan: Plan, entry: MethodEntry) -> MethodRun:
    scenario = plan.scenario
    noun = WINDOW if options_of(entry)[0].asynchronous else "round"
    rounds, clients = scenario.training.rounds, scenario.clients_per_round
    return MethodRun(plan.seed, entry.label, rounds, clients, noun)


def versions(executor: str, dataset: Dataset | None) -> dict[str, Any]:
    """Return the versions behind the numbers: of the code and of what a training's bits depend on."""
    return {
        "cutlayer": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numerics": numerics_of(executor),
        "executor": executor,
        "data": None if dataset is None else dataset.identity,
    }

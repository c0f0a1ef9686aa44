"""The run of one seed: its methods, their result, and the files and loggers that receive it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.files.plain_text import FileNames
from cutlayer.sim.learning.executor import Runtime
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.loggers.live import Loggers, following
from cutlayer.sim.loggers.logger import About, MakeLogger
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.results.columns import method_row
from cutlayer.sim.results.folder import ResultFolder, claim_folder
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.results.write import RunFolder, Views, no_views
from cutlayer.sim.run.engine import RoundProgress, Steps
from cutlayer.sim.run.play import empty_result, play_steps
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.progress import MethodRun, Progress
from cutlayer.sim.run.resumable import Resumable, check_versions

LogName = Literal["rounds", "events"]
Curves = Mapping[tuple[int, str], Mapping[str, Any] | None]  # by seed and label


class SeedRun:
    """Plays the methods of a plan into a result; a context in which its folder is claimed.

    `out` is the folder of the run. Results are written into it, or into seed-N/ if `several` seeds are
    run. If the context ends before `finish`, the folder has the rounds that closed and no summary. With
    `resumable`, the methods continue from the checkpoints in the folder, and add their own.
    """

    def __init__(
        self,
        plan: Plan,
        dataset: Dataset | None,
        result: RunResult,
        progress: Progress,
        *,
        runtime: Runtime | None = None,
        out: ResultFolder | None = None,
        several: bool = False,
        log: LogName = "rounds",
        reuse: bool = True,
        curves: Curves | None = None,
        views: Views = no_views,
        loggers: Sequence[MakeLogger] = (),
        resumable: Resumable | None = None,
        save_model: bool = False,
        confusion: bool = False,
    ) -> None:
        self.result = result
        self.methods = {entry.label: entry for entry in _entries(plan, curves)}
        self._plan = plan
        self._dataset = dataset
        self._progress = progress
        self._runtime = runtime
        self._out = out
        self._several = several
        self._log = log
        self._reuse = reuse
        self._curves = curves
        self._views = views
        self._makers = loggers
        self._resumable = resumable
        self._save_model = save_model
        self._confusion = confusion
        self._loggers = Loggers(())
        self._files: RunFolder | None = None
        self._open = ExitStack()
        self._finished = False
        self._whole: set[str] = set()  # labels of the methods that were played to their end

    @property
    def planned(self) -> list[MethodRun]:
        """The methods, as progress names them."""
        return [self._named(label) for label in self.methods]

    @property
    def whole(self) -> bool:
        """Whether all methods have been played to their end."""
        return len(self._whole) == len(self.methods)

    def __enter__(self) -> Self:
        """Claim the folder and begin the files and loggers. Raises OutputError and LoggerError."""
        with ExitStack() as stack:
            folder = None
            if self._out is not None:
                folder = self._out.path
                if self._several:
                    target, resume = folder / f"seed-{self.result.seed}", self._out.continued
                    claimed = claim_folder(target, "run", option="", resume=resume)
                    folder = stack.enter_context(claimed).path
            self.result.path = folder
            about = About(
                self._plan.scenario.name,
                self.result.seed,
                {entry.label: entry.name for entry in self._plan.scenario.methods},
                self.result.scenario,
                self.result.versions,
                folder,
            )
            self._loggers = stack.enter_context(following(self._makers, about, self.result.summary))
            if folder is not None and self._resumable is not None:
                assert self._out is not None
                check_versions(folder, self.result.versions)
                self._resumable.begin(self._out.path)
            if folder is not None:
                self._files = stack.enter_context(RunFolder(folder, self.result))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def steps(self, label: str) -> Steps:
        """Play a method: yield each round that has to be waited for; see `Engine.steps`."""
        entry, method = self.methods[label], self._named(label)
        result = self.result.methods[label] = empty_result(self._plan, entry)
        self._progress.method_started(method)

        def closed(row: RoundResult) -> None:
            if self._files is not None:
                self._files.add(label, entry.name, row)
            figures = {**method_row(label, entry.name, "rounds", row), **(row.metrics or {})}
            self._loggers.round_closed(label, figures)
            self._progress.round_closed(method, row)

        runtime = self._runtime
        progress = RoundProgress(closed, partial(self._progress.client_trained, method))
        if self._resumable is not None and self.result.path is not None and runtime is not None:
            from cutlayer.sim.run.checkpoints import method_checkpoints  # which imports torch

            number = list(self.methods).index(label)
            checkpoints = method_checkpoints(self.result.path, number, label, self._resumable)
            runtime = checkpoints.runtime(runtime)
            progress = replace(progress, committed=checkpoints.committed)
        if self._save_model and self.result.path is not None:
            progress = self._saving(entry, progress)
        whole = yield from play_steps(
            self._plan,
            entry,
            self._dataset,
            result=result,
            progress=progress,
            curve=None if self._curves is None else self._curves[self._plan.seed, label],
            runtime=runtime,
            reuse=self._reuse,
            keep_all=self._log == "events",
        )
        if whole:
            self._whole.add(label)
            self._progress.method_finished(method, result)
        return whole

    def _saving(self, entry: MethodEntry, progress: RoundProgress) -> RoundProgress:
        """Return the progress of a method whose models are saved, before the checkpoints of rounds."""
        from cutlayer.sim.run.saved_models import FOLDER, SavedModels  # which imports torch

        assert self.result.path is not None
        names = FileNames()
        name = {label: names.of(label) for label in self.methods}[entry.label]
        folder, note = self.result.path / FOLDER, self._progress.note
        models = SavedModels(folder, name, self._plan, entry, note)

        def committed(played: Played, closed: RoundResult) -> None:
            models.committed(played, closed)
            progress.committed(played, closed)

        return replace(progress, committed=committed, ended=models.ended)

    def finish(self) -> None:
        """Set the status of the result, write the files, end the context; only the first call counts."""
        if self._finished:
            return
        with held_back(), self._open:
            self._finished = True
            if self.whole:
                stalled = any(method.stalled for method in self.result.methods.values())
                self.result.status = "stalled" if stalled else "complete"
            if not self._confusion:
                for method in self.result.methods.values():
                    method.confusion = None
            if self._files is not None:
                self._files.finish(self.result, self._views)

    def _named(self, label: str) -> MethodRun:
        scenario = self._plan.scenario
        noun = WINDOW if options_of(self.methods[label])[0].asynchronous else "round"
        rounds, clients = scenario.training.rounds, scenario.clients_per_round
        return MethodRun(self._plan.seed, label, rounds, clients, noun)


def _entries(plan: Plan, curves: Curves | None) -> list[MethodEntry]:
    """Return the methods of a plan that are run: all, or those that have a curve."""
    entries = plan.scenario.methods
    return [entry for entry in entries if curves is None or (plan.seed, entry.label) in curves]

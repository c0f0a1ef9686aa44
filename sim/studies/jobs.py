"""Do the jobs of a worker: time cells on the clock, or train one. The results are plain data."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cutlayer.models.catalogue import MODELS
from cutlayer.models.own_object import looking_in
from cutlayer.scenarios.load import load_text
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.data.datasets import DATASETS, Dataset, load
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.learning.executor import ExecutorSettings, Runtime
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.methods.registry import OPTIONS
from cutlayer.sim.process.tasks import Note
from cutlayer.sim.results.curve import curve_of
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import play
from cutlayer.sim.run.run import data_folder
from cutlayer.sim.studies.plain_results import plain
from cutlayer.topologies.units import format_duration


@dataclass(frozen=True)
class Job:
    """One job: its type, a resolved scenario with one seed, and its name in messages.

    `clock` times every method of the scenario, `train` trains its only one, `alone` does both to each,
    with the study's `executor`.
    Data lie in `data_dir`, users' modules in `folders`; `device` is that of torch.
    """

    job_type: Literal["clock", "train", "alone"]
    scenario: Mapping[str, Any]
    name: str
    executor: str
    data_dir: Path | None = None
    folders: tuple[str, ...] = ()
    device: str = "cpu"

    def perform(self, note: Note) -> dict[str, Any]:
        """Return the results by label, or for `train` the learning curve."""
        with looking_in(self.folders):
            loaded = load_text(
                json.dumps(self.scenario),
                source="a resolved scenario",
                methods=OPTIONS,
                models=MODELS,
                datasets=DATASETS,
            ).scenario
            plan = make_plan(loaded, loaded.all_seeds[0])
            content_of = curve_of if self.job_type == "train" else plain
            dataset, trained_with = None, {}
            settings = ExecutorSettings(device=self.device, note=note, numerics=loaded.numerics)
            runtime = None
            if self.job_type != "clock":
                runtime = open_runtime(self.executor, settings)
            if runtime is not None:
                directory = data_folder(plan.scenario, self.data_dir)
                dataset = plan.skewed(_loaded(plan.info, directory, self.folders))
                trained_with = {"numerics": runtime.numerics()}
            with nullcontext() if runtime is None else runtime:
                found = {
                    entry.label: content_of(self._run(plan, entry, dataset, runtime, note))
                    | trained_with
                    for entry in plan.scenario.methods
                }
        return found.popitem()[1] if self.job_type == "train" else found

    def _run(
        self,
        plan: Plan,
        entry: MethodEntry,
        dataset: Dataset | None,
        runtime: Runtime | None,
        note: Note,
    ) -> MethodResult:
        rounds = plan.scenario.training.rounds

        def closed(row: RoundResult) -> None:
            if dataset is not None:
                time = format_duration(row.virtual_time_s)
                note(f"{entry.label}, round {row.index + 1} of {rounds}, virtual time {time}")

        return play(plan, entry, dataset, progress=RoundProgress(closed), runtime=runtime)


@cache
def _loaded(info: DatasetInfo, directory: Path | None, folders: tuple[str, ...]) -> Dataset:
    del folders  # a user's data set of the same name in another folder is another data set
    return load(info, directory)

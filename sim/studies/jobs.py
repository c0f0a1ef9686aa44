"""The jobs of a worker: time cells on the clock, or train one. Input and output are plain data."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from cutlayer.models.catalogue import MODELS
from cutlayer.models.own_object import folders_looked_in, looking_in
from cutlayer.scenarios.load import Loaded, load_text
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.data.datasets import DATASETS, Dataset, load
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.methods.registry import OPTIONS
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import play
from cutlayer.sim.run.run import data_folder
from cutlayer.sim.studies.plain_results import curve_of, plain
from cutlayer.topologies.units import format_duration

Note = Callable[[str], None]


def clock(scenario: Mapping[str, Any], note: Note, data_dir: str | None = None) -> dict[str, Any]:
    """Time every method of a resolved scenario with one seed; return results by label."""
    del data_dir
    plan = _plan(scenario)
    return {entry.label: plain(_run(plan, entry, None, note)) for entry in plan.scenario.methods}


def alone(scenario: Mapping[str, Any], note: Note, data_dir: str | None = None) -> dict[str, Any]:
    """Time and train every method of a scenario at once; return results by label."""
    plan = _plan(scenario)
    dataset = _dataset(plan, data_dir)
    return {
        entry.label: plain(_run(plan, entry, dataset, note)) | _numerics()
        for entry in plan.scenario.methods
    }


def train(scenario: Mapping[str, Any], note: Note, data_dir: str | None = None) -> dict[str, Any]:
    """Train the one method of a resolved scenario with one seed; return its curve."""
    plan = _plan(scenario)
    dataset = _dataset(plan, data_dir)
    (entry,) = plan.scenario.methods
    return curve_of(_run(plan, entry, dataset, note)) | _numerics()


def _numerics() -> dict[str, Any]:
    from cutlayer.sim.learning.inline import numerics

    return {"numerics": numerics()}


JOBS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "clock": clock,
    "alone": alone,
    "train": train,
}


def perform(job: str, arguments: Mapping[str, Any], note: Note = lambda _: None) -> dict[str, Any]:
    """Do one of `JOBS`; users' modules are looked up in the `folders` of its arguments."""
    options = dict(arguments)
    with looking_in(options.pop("folders", ())):
        return JOBS[job](note=note, **options)


def _plan(scenario: Mapping[str, Any]) -> Plan:
    loaded = resolved(scenario)
    return make_plan(loaded.scenario, loaded.scenario.all_seeds[0])


def resolved(scenario: Mapping[str, Any]) -> Loaded:
    """Load a resolved scenario."""
    return load_text(
        json.dumps(scenario),
        source="a resolved scenario",
        methods=OPTIONS,
        models=MODELS,
        datasets=DATASETS,
    )


def _dataset(plan: Plan, data_dir: str | None) -> Dataset:
    return _loaded(plan.info, data_folder(plan.scenario, data_dir), folders_looked_in())


@cache
def _loaded(info: DatasetInfo, directory: Path | None, folders: tuple[str, ...]) -> Dataset:
    del folders  # a user's data set of the same name in another folder is another data set
    return load(info, directory)


def _run(plan: Plan, entry: MethodEntry, dataset: Dataset | None, note: Note) -> MethodResult:
    rounds = plan.scenario.training.rounds

    def closed(row: RoundResult) -> None:
        if dataset is not None:
            time = format_duration(row.virtual_time_s)
            note(f"{entry.label}, round {row.index + 1} of {rounds}, virtual time {time}")

    return play(plan, entry, dataset, progress=RoundProgress(closed))

"""Build a plan part by part, so that a problem of one part does not hide those of the others."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from cutlayer.models.catalogue import UnknownModelError
from cutlayer.models.errors import CostError, ModelError, TuningError
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import KeyPath, Problem
from cutlayer.sim.build.clients import availability, transports, variability
from cutlayer.sim.build.cuts import cut_path, model_of, numbered_cuts
from cutlayer.sim.build.names import ScenarioNameError
from cutlayer.sim.build.plan import Plan, info_of, shards_of
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.build.work_limits import batch_problems, fleet_problems
from cutlayer.sim.control.registry import UnknownControllerError
from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.partition import PartitionError
from cutlayer.sim.tasks.task import LearningTaskError
from cutlayer.topologies import DeviceError, LinkError, TopologyError

T = TypeVar("T")
Sound = Callable[..., bool]

_DATA: Final = ("data.dataset", "data.train_samples", "data.test_samples", "data.test_fraction")
_SECTIONS: Final[dict[type[ValueError], KeyPath]] = {
    CostError: ("model", "name"),
    DataError: ("data", "dataset"),
    DeviceError: ("devices",),
    LinkError: ("topology",),
    ModelError: ("model", "name"),
    PartitionError: ("data", "partition"),
    LearningTaskError: ("task",),
    TopologyError: ("topology",),
    UnknownControllerError: ("control",),
    UnknownModelError: ("model", "name"),
}
PLAN_ERRORS: Final[tuple[type[ValueError], ...]] = (ScenarioNameError, *_SECTIONS)


def problem_of(loaded: Loaded, error: ValueError) -> Problem:
    """Return an error of `PLAN_ERRORS` as a problem of its section."""
    if isinstance(error, ScenarioNameError):
        return loaded.problem(error.path, str(error))
    if isinstance(error, TuningError):
        return loaded.problem(("model", *error.path), str(error))
    path = next(path for kind, path in _SECTIONS.items() if isinstance(error, kind))
    if isinstance(error, LearningTaskError) and error.name is not None:
        written = loaded.document.data.get("task")
        path = next(paths_of(error.name, written, path), path)
    return loaded.problem(path, str(error))


def paths_of(value: str, within: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the paths at which a text is written within a part of a document."""
    if within == value:
        yield path
    elif isinstance(within, Mapping | list):
        inner = within.items() if isinstance(within, Mapping) else enumerate(within)
        for key, part in inner:
            yield from paths_of(value, part, (*path, key))


def examine(
    loaded: Loaded, seed: int, sound: Sound = lambda *_: True
) -> tuple[Plan | None, list[Problem]]:
    """Return the plan of a seed, if it can be built, and the problems of its parts.

    `sound` returns whether sections (or fields) are in the scenario as they are in the file. Parts
    that depend on others are not built, and no problems are reported for them.
    """
    scenario = loaded.scenario
    problems: list[Problem] = []

    def attempt(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except PLAN_ERRORS as error:
            problems.append(problem_of(loaded, error))
            return None

    topology = None
    if sound("topology", "devices", "limits"):
        problems += fleet_problems(loaded)
        if not problems:
            topology = attempt(lambda: make_topology(scenario, seed))
    info = attempt(lambda: info_of(scenario, seed)) if sound(*_DATA) else None
    model = shards = None
    if info is not None and sound("model.name"):
        model = attempt(lambda: model_of(scenario, info))
    if info is not None and topology is not None and sound("data.partition"):
        shards = attempt(lambda: shards_of(scenario, seed, info, topology.clients))
    if topology is None or info is None or model is None or shards is None:
        if model is not None and sound("model.cut"):
            problems += cut_problems(loaded, len(model))
            attempt(lambda: numbered_cuts(scenario.model, model))
        return None, problems
    plan = Plan(scenario, seed, model, info, shards, topology)
    if sound("training", "limits"):
        problems += batch_problems(loaded, plan)
    if sound("model.cut"):
        attempt(lambda: plan.client_cuts)
    if sound("control"):
        attempt(lambda: plan.controller)
    if sound("task"):
        attempt(lambda: plan.task)
    attempt(lambda: availability(plan))
    attempt(lambda: transports(plan))
    attempt(lambda: variability(plan))
    return plan, problems


def cut_problems(loaded: Loaded, blocks: int) -> list[Problem]:
    """Return a problem for each cut beyond the model's last block."""
    model = loaded.scenario.model
    rule = f"must be 0 (all on the server) to {blocks} (all on the device) for {model.name}"
    return [
        loaded.problem(cut_path(model, name), rule)
        for name, cut in model.named_cuts.items()
        if isinstance(cut, int) and cut > blocks
    ]

"""What is wrong with a scenario beyond its form: cuts, shards, batches, memory, weights.

Everything here needs the model or the data set's counts. Problems carry the place in the file.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from pydantic import ValidationError

from cutlayer.models.errors import WeightsError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError
from cutlayer.scenarios.stand_ins import touches
from cutlayer.sim.build.examination import USERS, cut_problems, examine, problem_of
from cutlayer.sim.build.initial import initial_states
from cutlayer.sim.build.memory import memory_by_device, server_memory
from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.build.world import profile_of
from cutlayer.sim.data.datasets import NoData
from cutlayer.sim.methods import registry
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import UnknownMethodError, options_of
from cutlayer.topologies import DeviceError, DeviceProfile, Topology
from cutlayer.topologies.units import format_size

MANY_CLIENTS: Final = 10_000


class MemoryProblem(Problem):
    """A method that does not fit into the memory of a device or of the server."""


def plan_checked(loaded: Loaded, *, trains: bool) -> list[Plan]:
    """Return the plan of every seed. Raises ScenarioError with all that is wrong.

    `trains` says whether tensors will be trained, so that data and weights must really be there.
    """
    plans, infeasible = plan_feasible(loaded, trains=trains)
    if infeasible:
        raise loaded.error(problem for found in infeasible.values() for problem in found)
    return plans


def plan_feasible(
    loaded: Loaded, *, trains: bool
) -> tuple[list[Plan], dict[str, list[MemoryProblem]]]:
    """Return the plan of every seed, and by label the methods that do not fit into memory.

    Raises ScenarioError where anything else is wrong, with all that is.
    """
    with looking_in(beside(loaded.document.source)):
        return _plan_feasible(loaded, trains)


def _plan_feasible(
    loaded: Loaded, trains: bool
) -> tuple[list[Plan], dict[str, list[MemoryProblem]]]:
    scenario = loaded.scenario
    first, problems = examine(loaded, scenario.all_seeds[0])
    if first is None:
        raise loaded.error(problems)
    problems += _problems(loaded, first, trains)
    if any(not isinstance(problem, MemoryProblem) for problem in problems):
        raise loaded.error(problems)
    try:
        plans = [first, *(make_plan(scenario, seed) for seed in scenario.all_seeds[1:])]
    except USERS as error:
        raise loaded.error([problem_of(loaded, error)]) from None
    problems += [problem for plan in plans for problem in _shard_problems(loaded, plan)]
    if any(not isinstance(problem, MemoryProblem) for problem in problems):
        raise loaded.error(problems)
    infeasible: dict[str, list[MemoryProblem]] = {}
    for problem in problems:
        assert isinstance(problem, MemoryProblem)
        label = scenario.methods[int(problem.path[1])].label
        infeasible.setdefault(label, []).append(problem)
    return plans, infeasible


def _priority_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for each device with priority that no client has."""
    topology = plan.topology
    devices = {device.name for device, _ in topology.device_runs()}
    for name in topology.node(topology.server).queueing.first:
        if name not in devices:
            there = ", ".join(sorted(devices))
            rule = f"the server gives priority to {name!r}, which is no client's device ({there})"
            yield loaded.problem(("topology",), rule)


def topology_checked(loaded: Loaded) -> Topology:
    """Return the topology of a scenario. Raises ScenarioError for what it cannot be."""
    try:
        return make_topology(loaded.scenario, loaded.scenario.all_seeds[0])
    except USERS as error:
        raise loaded.error([problem_of(loaded, error)]) from None


def problems_beside(loaded: Loaded, refused: Collection[KeyPath]) -> list[Problem]:
    """Return what is wrong with a scenario beside what its schema has refused.

    `refused` has the paths of the latter; in their place are stand-ins, of which nothing is said. A
    large fleet is not laid out for it.
    """
    if loaded.scenario.client_count > MANY_CLIENTS:
        refused = {*refused, ("topology",)}

    def sound(*names: str) -> bool:
        return not any(touches(tuple(name.split(".")), refused) for name in names)

    with looking_in(beside(loaded.document.source)):
        plan, problems = examine(loaded, 0, sound)
        if plan is not None and sound("data", "model", "training", "topology", "devices"):
            problems += _problems(loaded, plan, trains=False)
        elif plan is not None and sound("model.cut"):
            problems += cut_problems(loaded, len(plan.blocks))
    return [
        problem
        for problem in problems
        if not touches(problem.path, refused) and problem.path[:1] != ("stop",)
    ]


def _problems(loaded: Loaded, plan: Plan, trains: bool) -> Iterator[Problem]:
    scenario = plan.scenario
    yield from _priority_problems(loaded, plan)
    if too_deep := cut_problems(loaded, len(plan.blocks)):
        yield from too_deep
        return
    least = plan.model.min_batch
    if scenario.training.batch_size < least:
        rule = f"must be at least {least}: BatchNorm of {scenario.model.name} needs it"
        yield loaded.problem(("training", "batch_size"), rule)
    if trains and isinstance(plan.info.source, NoData):
        rule = "is only declared, and nothing can be trained on it: use the executor none"
        yield loaded.problem(("data", "dataset"), rule)
    elif trains and plan.info.test_samples < least:
        rule = "leaves no test samples: give test_fraction"
        yield loaded.problem(("data",), rule, plan.info.name)
    if not plan.info.is_image and (scenario.data.augment.crop or scenario.data.augment.flip):
        rule = f"crops and flips images, and {plan.info.name} has inputs of shape"
        yield loaded.problem(("data", "augment"), f"{rule} {plan.info.input_shape}")
    if not trains and scenario.stop.target_accuracy is not None:
        rule = "needs an accuracy, and the executor none trains nothing: use inline"
        yield loaded.problem(("stop", "target_accuracy"), rule)
    for index in range(len(scenario.methods)):
        yield from _method_problems(loaded, plan, index, trains)


def _shard_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    if plan.scenario.training.batch_size >= plan.model.min_batch and not plan.able_clients():
        least, most = plan.model.min_batch, max(plan.shards.sizes)
        rule = (
            f"leaves no client with enough samples to train on (seed {plan.seed}): "
            f"the most is {most}, and {least} are needed"
        )
        yield loaded.problem(("data", "partition"), rule)


def _method_problems(loaded: Loaded, plan: Plan, index: int, trains: bool) -> Iterator[Problem]:
    scenario, entry = plan.scenario, plan.scenario.methods[index]
    place = ("methods", index)
    try:
        method, options = options_of(entry)
    except UnknownMethodError as error:
        yield loaded.problem(place, str(error))
        return
    except ValidationError as error:
        options_model = registry.method(entry.name).Options
        yield from loaded.option_problems((*place, entry.name), error, options_model)
        return
    if any(absence.on_disconnect == "drop" for absence in scenario.availability):
        complaint = method.check_dropout(options)
        if complaint is not None:
            rule = f"needs on_disconnect: resume: {complaint}"
            yield loaded.problem(place, rule, entry.label)
            return
    complaint = method.check_cut(scenario.model.cut, len(plan.blocks))
    if complaint is not None:
        yield loaded.problem(("model", "cut"), complaint)
        return
    if options.init == "partial" and scenario.model.cut == 0:
        rule = "init: partial loads the blocks before the cut, and cut 0 leaves none: choose random"
        yield loaded.problem(place, rule, entry.label)
        return
    if trains:
        try:
            recipe = plan.recipe(method, entry.name, options)
            initial_states(recipe, method, options, cut=scenario.model.cut)
        except WeightsError as error:
            yield loaded.problem(place, str(error))
    rates = list(_rate_problems(loaded, plan, method))
    yield from rates or _memory_problems(loaded, plan, index)


def _rate_problems(loaded: Loaded, plan: Plan, method: type[Method]) -> Iterator[Problem]:
    """Yield a problem for each profile that lacks a rate which the method needs."""
    cut = method.cut(plan.scenario.model.cut, len(plan.blocks))
    blocks = [*plan.device_block(cut), *([plan.head(cut)] if "head" in method.parts else [])]
    needed = {layer.op_class for block in blocks for layer in block.layers}
    clients = {profile_of(plan.topology, name) for name in plan.topology.clients}
    yield from _lacking(loaded, clients, needed)
    server = {profile_of(plan.topology, plan.topology.server)}
    yield from _lacking(loaded, server, {x.op_class for b in plan.blocks for x in b.layers})


def _lacking(
    loaded: Loaded, profiles: Iterable[DeviceProfile], needed: Iterable[str]
) -> Iterator[Problem]:
    named = {profile.name: profile for profile in profiles}
    for name, profile in sorted(named.items()):
        for op_class in sorted(needed):
            try:
                profile.rate(op_class, "forward", 1)
            except DeviceError as error:
                own = name in loaded.scenario.devices
                path: KeyPath = ("devices", name) if own else ("topology",)
                yield loaded.problem(path, str(error), name)
                break


def _memory_problems(loaded: Loaded, plan: Plan, index: int) -> Iterator[Problem]:
    entry = plan.scenario.methods[index]
    method, options = options_of(entry)
    has = {device.name: device.memory_bytes for device, _ in plan.topology.device_runs()}
    for name, needed in memory_by_device(plan, method).items():
        memory = has[name]
        if memory is not None and needed > memory:
            rule = (
                f"{entry.label} needs {format_size(needed)} on a {name}, "
                f"which has {format_size(memory)}"
            )
            cut = method.cut(plan.scenario.model.cut, len(plan.blocks))
            yield _memory_problem(loaded, index, f"{rule} (cut {cut})")
    server = profile_of(plan.topology, plan.topology.server)
    needed = server_memory(plan, method, options)
    if server.memory_bytes is not None and needed > server.memory_bytes:
        rule = (
            f"{entry.label} needs {format_size(needed)} on the server, a {server.name}, "
            f"which has {format_size(server.memory_bytes)}"
        )
        yield _memory_problem(loaded, index, rule)


def _memory_problem(loaded: Loaded, index: int, rule: str) -> MemoryProblem:
    found = loaded.problem(("methods", index), rule)
    return MemoryProblem(found.path, found.line, found.rule, found.value, found.source)


__all__ = ["MemoryProblem", "ScenarioError", "plan_checked", "plan_feasible"]

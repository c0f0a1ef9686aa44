"""Checks of a scenario beyond its schema: cuts, shards, batches, memory, weights.

They need the model, or the sizes of the data set. Each problem has its position in the file.
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from pydantic import ValidationError

from cutlayer.models.errors import WeightsError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.messages import problems_of
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError
from cutlayer.scenarios.stand_ins import touches
from cutlayer.sim.build.initial import initial_states
from cutlayer.sim.build.memory import device_blocks, edge_memory, memory_by_cut, server_memory
from cutlayer.sim.build.names import ScenarioNameError
from cutlayer.sim.build.plan import Plan, make_plan, optimizer_of
from cutlayer.sim.build.plan_problems import (
    PLAN_ERRORS,
    cut_path,
    cut_problems,
    examine,
    problem_of,
)
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.build.world import profile_of
from cutlayer.sim.control.controller import CUTS
from cutlayer.sim.control.registry import UnknownControllerError
from cutlayer.sim.data.datasets import no_data
from cutlayer.sim.methods import registry
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import UnknownMethodError, options_of
from cutlayer.sim.methods.split_method import SplitMethod
from cutlayer.topologies import DeviceError, Topology
from cutlayer.topologies.builders.draft import HUB
from cutlayer.topologies.units import format_size

LARGE_FLEET: Final = 10_000


class MemoryProblem(Problem):
    """A method that does not fit into the memory of a device or of the server."""


def plan_checked(loaded: Loaded, *, trains: bool) -> list[Plan]:
    """Return the plan of every seed. Raises ScenarioError with all problems.

    If `trains`, tensors will be trained, so data and weights must exist.
    """
    plans, infeasible = plan_feasible(loaded, trains=trains)
    if infeasible:
        raise ScenarioError(problem for some in infeasible.values() for problem in some)
    return plans


def plan_feasible(
    loaded: Loaded, *, trains: bool
) -> tuple[list[Plan], dict[str, list[MemoryProblem]]]:
    """Return the plan of every seed, and the problems of methods that exceed a memory, by label.

    Raises ScenarioError with all problems if there is any other.
    """
    scenario = loaded.scenario
    with looking_in(beside(loaded.document.source)):
        first, problems = examine(loaded, scenario.all_seeds[0])
        if first is None:
            raise ScenarioError(problems)
        problems += _problems(loaded, first, trains)
        memory = [problem for problem in problems if isinstance(problem, MemoryProblem)]
        if len(memory) < len(problems):
            raise ScenarioError(problems)
        try:
            plans = [first, *(make_plan(scenario, seed) for seed in scenario.all_seeds[1:])]
        except PLAN_ERRORS as error:
            raise ScenarioError([problem_of(loaded, error)]) from None
    if without_clients := [p for plan in plans for p in _shard_problems(loaded, plan)]:
        raise ScenarioError([*memory, *without_clients])
    infeasible: dict[str, list[MemoryProblem]] = {}
    for problem in memory:
        label = scenario.methods[int(problem.path[1])].label
        infeasible.setdefault(label, []).append(problem)
    return plans, infeasible


def _priority_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for each prioritised device that no client has."""
    topology = plan.topology
    devices = {device.name for device, _ in topology.device_runs()}
    for node in (topology.server, *topology.edges):
        for name in topology.node(node).queueing.first:
            if name not in devices:
                known = ", ".join(sorted(devices))
                who = "the server" if node == topology.server else node
                rule = f"{who} gives priority to {name!r}, a device that no client has ({known})"
                yield loaded.problem(("topology",), rule)


def topology_checked(loaded: Loaded) -> Topology:
    """Return the topology of a scenario. Raises ScenarioError if it is invalid."""
    try:
        return make_topology(loaded.scenario, loaded.scenario.all_seeds[0])
    except PLAN_ERRORS as error:
        raise ScenarioError([problem_of(loaded, error)]) from None


def problems_beside(loaded: Loaded, refused: Collection[KeyPath]) -> list[Problem]:
    """Return the problems of a scenario beyond those that its schema has found.

    `refused` has the paths of the latter. At these the scenario has stand-ins, for which no problems
    are reported. The topology of a large fleet is not built for this.
    """
    if loaded.scenario.client_count > LARGE_FLEET:
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
    min_batch = plan.model.min_batch
    if scenario.training.batch_size < min_batch:
        rule = f"must be at least {min_batch}: BatchNorm of {scenario.model.name} needs it"
        yield loaded.problem(("training", "batch_size"), rule)
    if trains and plan.info.source is no_data:
        rule = "is only declared, and nothing can be trained on it: use the executor none"
        yield loaded.problem(("data", "dataset"), rule)
    elif trains and plan.info.test_samples < min_batch:
        rule = "leaves no test samples: give test_fraction"
        yield loaded.problem(("data",), rule, plan.info.name)
    if not plan.info.is_image and (scenario.data.augment.crop or scenario.data.augment.flip):
        rule = f"crops and flips images, and {plan.info.name} has inputs of shape"
        yield loaded.problem(("data", "augment"), f"{rule} {plan.info.input_shape}")
    if not trains and scenario.stop.target_accuracy is not None:
        rule = "needs an accuracy, and the executor none trains nothing: use inline"
        yield loaded.problem(("stop", "target_accuracy"), rule)
    try:
        assert plan.client_cuts
        assert plan.controller is None or plan.controller
    except (ScenarioNameError, UnknownControllerError):
        return  # `examine` has reported it
    for index in range(len(scenario.methods)):
        yield from _method_problems(loaded, plan, index, trains)


def _shard_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    if plan.scenario.training.batch_size >= plan.model.min_batch and not plan.able_clients():
        needed, largest = plan.model.min_batch, max(plan.shards.sizes)
        rule = (
            f"leaves no client with enough samples to train on (seed {plan.seed}): "
            f"the largest shard has {largest}, and {needed} are needed"
        )
        yield loaded.problem(("data", "partition"), rule)


def _method_problems(loaded: Loaded, plan: Plan, index: int, trains: bool) -> Iterator[Problem]:
    scenario, entry = plan.scenario, plan.scenario.methods[index]
    path = ("methods", index)
    try:
        method, options = options_of(entry)
    except UnknownMethodError as error:
        yield loaded.problem(path, str(error))
        return
    except ValidationError as error:
        options_model = registry.method(entry.name).Options
        yield from problems_of(loaded.document, error, options_model, (*path, entry.name))
        return
    drops = any(absence.on_disconnect == "drop" for absence in scenario.availability)
    if drops and (complaint := method.check_dropout(options)) is not None:
        yield loaded.problem(path, f"needs on_disconnect: resume: {complaint}", entry.label)
        return
    participants = min(scenario.clients_per_round, plan.able_clients())
    complaint = method.check_population(options, scenario.client_count, participants)
    if complaint is not None:
        yield loaded.problem(path, complaint, entry.label)
        return
    if "edge" in method.peers(options) and (complaint := _without_edge(plan.topology)) is not None:
        yield loaded.problem((*path, entry.name, "edges"), complaint)
        return
    closing = scenario.training.closing
    if closing is not None and (complaint := method.check_closing(options)) is not None:
        yield loaded.problem(path, f"cannot run with training.closing: {complaint}", entry.label)
        return
    if closing is not None and closing.late == "next" and not issubclass(method, SplitMethod):
        rule = f"next needs methods that are SplitMethods, and {method.name} is not"
        yield loaded.problem(("training", "closing", "late"), rule)
        return
    if closing is not None and closing.late == "next" and plan.controller is not None:
        rule = "next cannot be controlled: clients of several rounds work at the same time"
        yield loaded.problem(("control",), rule)
        return
    for name, cut in scenario.model.named_cuts.items():
        if (complaint := method.check_cut(cut, len(plan.blocks))) is not None:
            yield loaded.problem(cut_path(scenario.model, name), complaint)
            return
    if (refusal := _control_problem(plan, method, options)) is not None:
        where, rule = refusal
        yield loaded.problem(where, rule)
        return
    if options.init == "partial" and max(plan.scenario_cuts) == 0:
        rule = "init: partial loads the blocks before the cut, and cut 0 leaves none: choose random"
        yield loaded.problem(path, rule, entry.label)
        return
    if trains:
        try:
            recipe = plan.recipe(method, entry.name, options)
            cut, mixed = max(plan.scenario_cuts), plan.mixed_cuts(method)
            initial_states(recipe, method, options, cut=cut, mixed=mixed)
        except WeightsError as error:
            yield loaded.problem(path, str(error))
    rates = list(_rate_problems(loaded, plan, method))
    yield from rates or _memory_problems(loaded, plan, index, method, options)


def _without_edge(topology: Topology) -> str | None:
    """Return which client has no edge node with a device, and the nearest valid choice."""
    needs = "needs a node with a device between every client and the server, and"
    for start, _ in topology.alike():
        client = topology.clients[start]
        if topology.edge_of(client) is None:
            between = [link.target for link in topology.path(client, topology.server)[:-1]]
            if between in ([], [HUB]):
                return f"{needs} {client} has none: choose a topology with edge nodes (two_tier)"
            return f"{needs} {client} has none: give {between[0]} a device"
    return None


def _control_problem(plan: Plan, method: type[Method], options: Any) -> tuple[KeyPath, str] | None:
    """Return where and why a method cannot have its clients' cuts, or be controlled as it is."""
    if plan.controller is not None:
        controller, section = plan.controller
        sets = frozenset(field for field in controller.sets if plan.controlled(method, field))
        if (complaint := method.check_control(options, sets)) is not None:
            return ("control",), complaint
        chosen = getattr(section, "cuts", None) or ()
        if chosen and max(chosen) > (last := len(plan.blocks)):
            return ("control",), f"has the cut {max(chosen)}, and the last is {last}"
        if chosen and CUTS in sets and not {*chosen} & {*plan.cuts(method)}:
            return ("control",), f"has no cut that {method.name} can have"
        kept = optimizer_of(plan.scenario, options).state == "kept"
        if kept and CUTS in sets and not controller.settles:
            rule = "changes cuts between rounds, and a kept optimizer state belongs to one cut"
            return ("control",), f"{rule}: {method.name} needs optimizer_state: fresh"
    if plan.one_cut(method) is None and (complaint := method.check_mixed_cuts(options)) is not None:
        return ("model", "cut"), complaint
    return None


def _rate_problems(loaded: Loaded, plan: Plan, method: type[Method]) -> Iterator[Problem]:
    """Yield a problem for each profile without a rate that the method needs."""
    cuts = plan.cuts_by_device(method)
    clients = {device.name: device for device, _ in plan.topology.device_runs()}
    names = (plan.topology.server, *plan.topology.edges)
    nodes = {
        profile.name: profile for name in names for profile in (profile_of(plan.topology, name),)
    }
    used = [(clients[name], device_blocks(plan, method, cuts[name])) for name in sorted(clients)]
    used += [(node, [*plan.blocks]) for node in nodes.values()]
    for profile, run in used:
        name = profile.name
        for op_class in sorted({layer.op_class for block in run for layer in block.layers}):
            try:
                profile.rate_class(op_class)
            except DeviceError as error:
                own = name in loaded.scenario.devices
                path: KeyPath = ("devices", name) if own else ("topology",)
                yield loaded.problem(path, str(error), name)
                break


def _memory_problems(
    loaded: Loaded, plan: Plan, index: int, method: type[Method], options: Any
) -> Iterator[Problem]:
    memories = {device.name: device.memory_bytes for device, _ in plan.topology.device_runs()}
    server = profile_of(plan.topology, plan.topology.server)
    needs = [
        (f"a {name}", needed, memories[name], f" (cut {cut})")
        for (name, cut), needed in memory_by_cut(plan, method).items()
    ]
    needed = server_memory(plan, method, options)
    needs.append((f"the server, a {server.name}", needed, server.memory_bytes, ""))
    for name, needed in edge_memory(plan, method, options).items():
        edge = profile_of(plan.topology, name)
        needs.append((f"{name}, a {edge.name}", needed, edge.memory_bytes, ""))
    for place, needed, memory, at in needs:
        if memory is not None and needed > memory:
            has = f"which has {format_size(memory)}{at}"
            label = plan.scenario.methods[index].label
            rule = f"{label} needs {format_size(needed)} on {place}, {has}"
            yield MemoryProblem(**vars(loaded.problem(("methods", index), rule)))

"""Checks of each method of a scenario: its clients, cuts, controller, rates and memory."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from cutlayer.models.errors import WeightsError
from cutlayer.scenarios.batch_norm import STAYS
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.messages import problems_of
from cutlayer.scenarios.problems import KeyPath, Problem
from cutlayer.sim.build.clients import availability, variability
from cutlayer.sim.build.codec_problems import CHANGES_NUMBERS
from cutlayer.sim.build.cuts import cut_path
from cutlayer.sim.build.edge_nodes import EdgeNodes, edge_nodes_of
from cutlayer.sim.build.frozen_parts import frozen_part
from cutlayer.sim.build.initial import initial_weights
from cutlayer.sim.build.memory import device_blocks, edge_memory, memory_by_cut, server_memory
from cutlayer.sim.build.names import ScenarioNameError
from cutlayer.sim.build.plan import Plan, optimizer_of
from cutlayer.sim.build.pricing import priced
from cutlayer.sim.build.world import profile_of
from cutlayer.sim.codecs.codecs import DIRECTIONS, OF_WEIGHTS
from cutlayer.sim.control.controller import CUTS
from cutlayer.sim.methods import registry
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import UnknownMethodError, options_of
from cutlayer.sim.methods.split_method import SplitMethod
from cutlayer.topologies import DeviceError
from cutlayer.topologies.builders.draft import HUB
from cutlayer.topologies.published_clocks import PricingError
from cutlayer.topologies.units import format_size


class MemoryProblem(Problem):
    """A method that does not fit into the memory of a device or of the server."""


def method_problems(loaded: Loaded, plan: Plan, index: int, trains: bool) -> Iterator[Problem]:
    """Yield the problems of method number `index`; `trains` is as in `plan_checked`."""
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
    try:
        priced(plan, entry)
    except PricingError as error:
        yield loaded.problem((*path, "pricing", "as_published"), str(error))
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
    if (complaint := method.check_task(options, plan.task)) is not None:
        yield loaded.problem(path, complaint, entry.label)
        return
    optimizer = optimizer_of(scenario, options)
    if (complaint := method.check_optimizer(options, optimizer)) is not None:
        yield loaded.problem(("training", "optimizer"), complaint)
        return
    edges: KeyPath = (*path, entry.name, "edges")
    try:
        edge_nodes = edge_nodes_of(plan.topology, options, (*edges, "peers"))
    except ScenarioNameError as error:
        yield loaded.problem(error.path, error.complaint)
        return
    if edge_nodes.are_peers and (complaint := _unfit_peer(plan, edge_nodes)) is not None:
        yield loaded.problem((*edges, "peers"), complaint)
        return
    if (
        "edge" in method.node_types(options)
        and (complaint := _without_edge(plan, edge_nodes)) is not None
    ):
        yield loaded.problem(edges, complaint)
        return
    closing = scenario.training.closing
    if closing is not None and (complaint := method.check_closing(options)) is not None:
        yield loaded.problem(path, f"cannot run with training.closing: {complaint}", entry.label)
        return
    if closing is not None and closing.late == "next":
        if not issubclass(method, SplitMethod):
            rule = f"next needs methods that are SplitMethods, and {method.name} is not"
            yield loaded.problem(("training", "closing", "late"), rule)
            return
        if (complaint := method.check_late(options)) is not None:
            yield loaded.problem(("training", "closing", "late"), f"must be drop: {complaint}")
            return
    if closing is not None and closing.late == "next" and plan.controller is not None:
        rule = "next cannot be controlled: clients of several rounds work at the same time"
        yield loaded.problem(("control",), rule)
        return
    for name, cut in plan.named_cuts.items():
        complaint = method.check_cut(cut, len(plan.blocks))
        sends_tokens = plan.info.input_type == "token" and "down" in method.sends
        if complaint is None and sends_tokens and method.cut(cut, len(plan.blocks)) == 0:
            complaint = f"must be 1 or more for {entry.label}: tokens have no gradient to send back"
        if complaint is not None:
            yield loaded.problem(cut_path(scenario.model, name), complaint)
            return
    if (refusal := frozen_part(plan, method, entry.label)) is not None:
        where, rule = refusal
        yield loaded.problem(where, rule)
        return
    if (refusal := _control_problem(plan, method, options)) is not None:
        where, rule = refusal
        yield loaded.problem(where, rule)
        return
    if method.quantises(options) and plan.model.whole_numbers & set(plan.cuts(method)):
        rule = f"needs bits: null: {CHANGES_NUMBERS} at this cut"
        yield loaded.problem((*path, entry.name, "bits"), rule)
        return
    for direction in (*DIRECTIONS, *OF_WEIGHTS):
        codec = plan.codecs(method, options).of(direction)
        if codec and (complaint := method.check_codec(options, direction, codec)) is not None:
            yield loaded.problem(path, complaint, entry.label)
            return
    if options.init == "partial" and max(plan.scenario_cuts) == 0:
        rule = "init: partial loads the blocks before the cut, and cut 0 leaves none: choose random"
        yield loaded.problem(path, rule, entry.label)
        return
    if trains:
        try:
            recipe = plan.recipe(method, entry.name, options)
            cut, mixed = max(plan.scenario_cuts), plan.mixed_cuts(method)
            initial_weights(recipe, method, options, cut=cut, mixed=mixed)
        except WeightsError as error:
            yield loaded.problem(path, str(error))
    rates = list(_rate_problems(loaded, plan, method, edge_nodes))
    yield from rates or _memory_problems(loaded, plan, index, method, options)


def _unfit_peer(plan: Plan, edge_nodes: EdgeNodes) -> str | None:
    """Return which peer is not always online at full speed, and the remedy."""
    clients = plan.topology.clients
    for section, named in (
        ("availability", [*availability(plan)]),
        ("computing", [*variability(plan)]),
    ):
        for client in sorted(named):
            if (name := clients[client]) in edge_nodes.names:
                return f"needs peers without an entry in {section}, and {name} has one: remove it"
    return None


def _without_edge(plan: Plan, edge_nodes: EdgeNodes) -> str | None:
    """Return which client has no edge node with a device, and the nearest valid choice."""
    topology = plan.topology
    needs = "needs a node with a device between every client and the server, and"
    for start, _ in topology.alike():
        client = topology.clients[start]
        if edge_nodes.of(start) is None:
            between = [link.target for link in topology.path(client, topology.server)[:-1]]
            if between in ([], [HUB]):
                return f"{needs} {client} has none: choose a topology with edge nodes (two_tier)"
            return f"{needs} {client} has none: give {between[0]} a device"
    return None


def _control_problem(plan: Plan, method: type[Method], options: Any) -> tuple[KeyPath, str] | None:
    """Return where and why a method does not work with the clients' cuts or with the controller."""
    if plan.controller is not None:
        controller, section = plan.controller
        sets = frozenset(field for field in controller.sets if plan.controlled(method, field))
        if (complaint := method.check_control(options, sets)) is not None:
            return ("control",), complaint
        largest = plan.scenario.training.batch_size
        if getattr(section, "smallest", 1) > largest:
            where = ("control", "balanced_batches", "smallest")
            return where, f"must be at most {largest}, training.batch_size"
        if CUTS in sets and (complaint := method.check_mixed_cuts(options)) is not None:
            return ("control",), f"cannot set cuts: {complaint}"
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


def batch_norm_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for a rule for BatchNorm that has no effect, or that needs one cut."""
    chosen = plan.scenario.model.batch_norm
    if chosen == "averaged":
        return
    from cutlayer.sim.learning.batch_norm import problem

    model = plan.module()
    complaint = problem(model, chosen, model.frozen)
    if complaint is None and chosen in STAYS:
        known = [registry.METHODS.get(entry.name) for entry in plan.scenario.methods]
        if any(method is not None and plan.one_cut(method) is None for method in known):
            complaint = "needs one cut: what stays at a client belongs to its device block"
    if complaint is not None:
        yield loaded.problem(("model", "batch_norm"), complaint)


def _rate_problems(
    loaded: Loaded, plan: Plan, method: type[Method], edge_nodes: EdgeNodes
) -> Iterator[Problem]:
    """Yield a problem for each profile without a rate that the method needs."""
    cuts = plan.cuts_by_device(method)
    clients = {device.name: device for device, _ in plan.topology.device_runs()}
    peers = edge_nodes.names if edge_nodes.are_peers else ()
    names = (plan.topology.server, *plan.topology.edges, *peers)
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

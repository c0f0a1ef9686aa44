"""Checks of a scenario beyond its schema: cuts, shards, batches, data, and each of its methods.

They need the model, or the sizes of the data set. Each problem has its position in the file.
"""

from collections.abc import Collection, Iterator
from typing import Final

from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError
from cutlayer.scenarios.stand_ins import touches
from cutlayer.sim.build.codec_problems import codec_problems
from cutlayer.sim.build.method_problems import (
    MemoryProblem,
    batch_norm_problems,
    method_problems,
)
from cutlayer.sim.build.metric_problems import metric_problems
from cutlayer.sim.build.names import ScenarioNameError
from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.build.plan_problems import (
    PLAN_ERRORS,
    cut_problems,
    examine,
    problem_of,
)
from cutlayer.sim.build.tokens import token_problem
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.control.registry import UnknownControllerError
from cutlayer.sim.data.datasets import no_data
from cutlayer.sim.tasks.task import LearningTaskError, metrics_of
from cutlayer.topologies import Topology

LARGE_FLEET: Final = 10_000


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
    skew = scenario.data.feature_skew
    if skew is not None and plan.info.input_type == "token":
        rule = f"changes numbers, and the inputs of {plan.info.name} are tokens"
        yield loaded.problem(("data", "feature_skew"), rule)
    elif skew is not None and not plan.info.is_image and (skew.rotation or skew.contrast):
        rule = f"rotation and contrast are of images, and {plan.info.name} has inputs of shape"
        yield loaded.problem(("data", "feature_skew"), f"{rule} {plan.info.input_shape}")
    for field in ("target_accuracy", "target", "patience"):
        if not trains and getattr(scenario.stop, field) is not None:
            rule = "needs an accuracy, and the executor none trains nothing: use inline"
            yield loaded.problem(("stop", field), rule)
    try:
        assert plan.client_cuts
        assert plan.controller is None or plan.controller
        metrics = metrics_of(plan.task)
    except (ScenarioNameError, UnknownControllerError, LearningTaskError):
        return  # `examine` has reported it
    yield from metric_problems(loaded, metrics[0])
    if trains:
        from cutlayer.sim.tasks.objective import try_loss, try_metrics

        try:
            try_loss(plan.task, plan.info)
            try_metrics(plan.task, plan.info)
        except LearningTaskError as error:
            yield problem_of(loaded, error)
            return
        if plan.info.vocabulary is not None and (why := token_problem(plan.model.spec)):
            yield loaded.problem(("model", "name"), why)
    yield from codec_problems(loaded, plan)
    yield from batch_norm_problems(loaded, plan)
    for index in range(len(scenario.methods)):
        yield from method_problems(loaded, plan, index, trains)


def _shard_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    if plan.scenario.training.batch_size >= plan.model.min_batch and not plan.able_clients():
        needed, largest = plan.model.min_batch, max(plan.shards.sizes)
        rule = (
            f"leaves no client with enough samples to train on (seed {plan.seed}): "
            f"the largest shard has {largest}, and {needed} are needed"
        )
        yield loaded.problem(("data", "partition"), rule)

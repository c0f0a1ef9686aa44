"""Play one method of a plan: build its world, run its rounds, and return the result.

Runs, previews, explanations and studies all play a method in this way; they differ in when they stop,
in what they observe, and in what they keep.
"""

from collections.abc import Mapping
from typing import Any, Final

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.sections import assumed_delays
from cutlayer.sim.build.topology import links_of
from cutlayer.sim.build.world import make_method, profile_of
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import Engine, Observe, RoundProgress, StopCondition

UNTIMED: Final = ("power_w", "memory_bytes")  # figures of a device that decide no time


def play(
    plan: Plan,
    entry: MethodEntry,
    dataset: Dataset | None = None,
    *,
    result: MethodResult | None = None,
    stop: StopCondition | None = None,
    progress: RoundProgress | None = None,
    observe: Observe | None = None,
    curve: Mapping[str, Any] | None = None,
    reuse: bool = True,
    keep_all: bool = False,
) -> MethodResult:
    """Play a method and return its result; with a `dataset` it trains, without one it only counts.

    By default it stops as the scenario says. A `result` that is given is filled as rounds close, so that
    an interrupted run has what there is. `observe` returns the network observers of a round. `curve` is
    a training with the same learning digest (see `cutlayer.sim.studies.stored.curve_of`), whose
    accuracies the result takes. `keep_all` keeps the intervals of every round.
    """
    result = empty_result(plan, entry) if result is None else result
    engine = Engine(
        make_method(plan, entry, dataset, keep_accounts=observe is not None),
        result,
        reuse=reuse,
        keep_all=keep_all,
        observe=observe,
        learned=None if curve is None else dict(curve["accuracy"]),
    )
    try:
        engine.run(stop or scenario_stop(plan.scenario), progress or RoundProgress())
    finally:
        with held_back():
            engine.finish()
            if curve is not None:
                result.weights_digest = curve["weights_digest"]
                result.diverged_in_round = curve["diverged_in_round"]
    return result


def empty_result(plan: Plan, entry: MethodEntry) -> MethodResult:
    """Return the result of a method that has not begun."""
    targets = tuple(plan.scenario.training.targets)
    return MethodResult(entry.label, entry.name, plan.seed, targets, coarse=coarse_figures(plan))


def scenario_stop(scenario: Scenario) -> StopCondition:
    """Return when a scenario says that a method stops."""
    training, stop = scenario.training, scenario.stop
    return StopCondition(
        training.rounds, stop.virtual_time, stop.target_accuracy, training.evaluate_every
    )


def coarse_figures(plan: Plan) -> tuple[str, ...]:
    """Return what is coarse or guessed of the times, one text for each profile or link."""
    server = profile_of(plan.topology, plan.topology.server)
    profiles = {p.name: p for p in (*(p for p, _ in plan.topology.device_runs()), server)}
    found = []
    for profile in profiles.values():
        if profile.coarse:
            found.append(f"{profile.name}: one speed for every operation")
        unsure = [figure for figure in profile.unsure if not figure.startswith(UNTIMED)]
        if unsure:
            found.append(f"{profile.name}: {', '.join(unsure)} guessed or recalled")
    for name, link in links_of(plan.scenario).items():
        if link.unsure:
            found.append(f"link {name}: {', '.join(link.unsure)} guessed or recalled")
    return (*found, *assumed_delays(plan.scenario))

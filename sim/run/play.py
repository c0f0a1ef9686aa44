"""Play one method of a plan: build its world, run its rounds, and return the result.

Runs, previews, explanations and studies play a method in the same way. They differ in when they stop,
what they observe and what they keep.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from math import inf
from typing import Any, Final

import numpy as np

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.links import links_of
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.pricing import priced, pricing_note
from cutlayer.sim.build.topology_sections import assumed_delays
from cutlayer.sim.build.world import make_method, profile_of
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.data.label_counts import label_counts
from cutlayer.sim.learning.executor import Runtime
from cutlayer.sim.process.interrupts import held_back, let_in
from cutlayer.sim.results.class_accuracy import client_accuracy
from cutlayer.sim.results.curve import figures_by_round, take_outcome
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.training import final_class_accuracy
from cutlayer.sim.run.control import control_of
from cutlayer.sim.run.engine import Observe, RoundProgress, Steps
from cutlayer.sim.run.stop_condition import StopCondition
from cutlayer.sim.run.windows import make_engine
from cutlayer.sim.tasks.sections import metric_of_task
from cutlayer.sim.tasks.task import metrics_of

MOST_NAMES: Final = 3  # of profiles in a row
UNTIMED: Final = ("power_w", "memory_bytes")  # figures of a device that no time depends on


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
    runtime: Runtime | None = None,
    reuse: bool = True,
    keep_all: bool = False,
) -> MethodResult:
    """Play a method and return its result; with a `dataset`, an executor of `runtime` (inline) trains.

    `stop` defaults to the scenario's. Pass a `result` to keep the rounds of an interrupted run: it is
    filled as rounds close. `observe` returns the network observers of a round. `curve` is the learning
    curve of a training with the same learning digest (`curve_of` in `cutlayer.sim.results.curve` makes
    it); the result takes its figures. `keep_all` keeps the intervals of every round.
    """
    result = empty_result(plan, entry) if result is None else result
    steps = play_steps(
        plan,
        entry,
        dataset,
        result=result,
        stop=stop,
        progress=progress,
        observe=observe,
        curve=curve,
        runtime=runtime,
        reuse=reuse,
        keep_all=keep_all,
    )
    with closing(steps):
        for played in steps:
            with let_in():
                played.wait()
    return result


def play_steps(
    plan: Plan,
    entry: MethodEntry,
    dataset: Dataset | None,
    *,
    result: MethodResult,
    stop: StopCondition | None = None,
    progress: RoundProgress | None = None,
    observe: Observe | None = None,
    curve: Mapping[str, Any] | None = None,
    runtime: Runtime | None = None,
    reuse: bool = True,
    keep_all: bool = False,
) -> Steps:
    """Play a method step by step: yield each round that has to be waited for; see `play`.

    The result is complete when the generator ends or is closed. It returns False if Ctrl-C has requested
    a stop before the method was played to its end.
    """
    plan = priced(plan, entry)
    method = make_method(plan, entry, dataset, runtime=runtime, keep_accounts=observe is not None)
    engine = make_engine(
        method,
        result,
        reuse=reuse,
        keep_all=keep_all,
        observe=observe,
        learned=None if curve is None else figures_by_round(curve),
        control=control_of(plan, entry, method),
    )
    progress = progress or RoundProgress()
    closed = False

    def close() -> None:
        nonlocal closed
        if closed:
            return
        closed = True
        try:
            progress.ended()
        finally:
            engine.finish()
        result.client_names = plan.topology.clients
        result.tokens = _tokens(plan, result)
        if curve is not None:
            take_outcome(result, curve)
        elif dataset is not None and (classes := final_class_accuracy(result.rounds)) is not None:
            labels = dataset.train_classes.numpy()
            held = label_counts(plan.shards, labels, plan.info.classes)
            result.client_accuracy = client_accuracy(classes, held)

    try:
        return (yield from engine.steps(stop or scenario_stop(plan.scenario), progress))
    finally:
        try:
            with held_back():
                close()
        except KeyboardInterrupt:  # it came before it was held back, or while it was
            with held_back():
                close()
            raise


def _tokens(plan: Plan, result: MethodResult) -> int | None:
    """Return the tokens of the clients that took part, once for each local epoch.

    None if the task is not one of tokens, or the method has no rounds.
    """
    if plan.task.unit != "token" or result.update_summary is not None:
        return None
    names, trained = plan.topology.clients, plan.trained_samples()
    rounds = [result.devices[name].rounds if name in result.devices else 0 for name in names]
    samples = int(trained @ np.array(rounds, np.int64))
    return samples * plan.info.target_values * plan.scenario.training.local_epochs


def empty_result(plan: Plan, entry: MethodEntry) -> MethodResult:
    """Return the result of a method that has not begun."""
    return MethodResult(
        entry.label,
        entry.name,
        plan.seed,
        plan.scenario.training.target_values,
        metrics=metrics_of(plan.task),
        coarse=coarse_figures(plan),
        pricing=pricing_note(entry),
    )


def scenario_stop(scenario: Scenario) -> StopCondition:
    """Return the scenario's stop condition."""
    training, stop = scenario.training, scenario.stop
    return StopCondition(
        training.rounds,
        stop.virtual_time or inf,
        stop.target_value,
        training.evaluate_every,
        patience=stop.patience or inf,
        min_delta=stop.min_delta,
        metric=metric_of_task(scenario.task),
    )


def coarse_figures(plan: Plan) -> tuple[str, ...]:
    """Return which figures behind the times are coarse or guessed: texts that begin with names."""
    topology = plan.topology
    nodes = [profile_of(topology, name) for name in (topology.server, *topology.edges)]
    profiles = {p.name: p for p in (*(p for p, _ in topology.device_runs()), *nodes)}
    names: dict[str, list[str]] = {}  # of the profiles of which a text holds
    for profile in profiles.values():
        if profile.coarse:
            names.setdefault("one speed for every operation", []).append(profile.name)
        unsure = [figure for figure in profile.unsure if not figure.startswith(UNTIMED)]
        if unsure:
            names.setdefault(f"{', '.join(unsure)} guessed or recalled", []).append(profile.name)
    texts = [f"{_enumerated(of)}: {text}" for text, of in names.items()]
    for name, link in links_of(plan.scenario).items():
        if link.unsure:
            texts.append(f"link {name}: {', '.join(link.unsure)} guessed or recalled")
    if operations := dict.fromkeys(name for block in plan.blocks for name in block.unpriced):
        model = plan.scenario.model.name
        texts.append(f"model {model}: {', '.join(operations)} guessed by the bytes moved")
    return (*texts, *assumed_delays(plan.scenario))


def _enumerated(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        names = (*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more")
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)

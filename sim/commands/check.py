"""`cutlayer check`: what a scenario would run, and the predicted time, traffic and memory."""

from collections import Counter
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.training import Closing
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.initial import conversions
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.pricing import pricing_note
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.data.datasets import load
from cutlayer.sim.data.given_split import GivenPartition
from cutlayer.sim.learning.executors import executor_entry
from cutlayer.sim.run.play import coarse_figures
from cutlayer.sim.run.preview import MethodPreview, preview
from cutlayer.sim.run.run import data_folder, load_scenario
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.topology_text import unconnected
from cutlayer.topologies.units import format_duration, format_size

PREVIEW_ROUNDS = 20
NEVER = "never ends"


def check_command(
    scenario: str, overrides: Sequence[str], *, executor: str, data_dir: Path | None
) -> None:
    """Print the outlook of every method; raises whatever `run` would raise for the scenario."""
    print_outlook(load_scenario(scenario, overrides), executor, data_dir)


def print_outlook(loaded: Loaded, executor: str, data_dir: Path | None) -> None:
    """Print the outlook of a scenario; raises what `check_command` raises."""
    with looking_in(beside(loaded.document.source)):
        _print_outlook(loaded, executor, data_dir)


def _print_outlook(loaded: Loaded, executor: str, data_dir: Path | None) -> None:
    plans = plan_checked(loaded, trains=executor_entry(executor).trains)
    plan = plans[0]
    if executor_entry(executor).trains:
        for one in plans:
            load(one.info, data_folder(loaded.scenario, data_dir))
    console = make_console()
    _describe(plan, len(plans), console)
    for line in conversions(plan.scenario):
        console.print(line)
    console.print()
    outlooks = preview(plan, PREVIEW_ROUNDS)
    headings = ("method", "traffic per client and round", "virtual time", "memory of a device")
    nodes = [plan.topology.node(name) for one in outlooks for name in one.edge_memory_bytes]
    of_edges = bool(nodes)
    which = "a peer" if all(node.role == "client" for node in nodes) else "an edge node"
    more = (f"memory of {which}",) if of_edges else ()
    rows = [_row(outlook)[: len(headings) + 1 + of_edges] for outlook in outlooks]
    print_grid(console, (*headings, "memory of the server", *more), rows)
    console.print()
    for outlook in outlooks:
        if outlook.stalled is not None:
            console.print(f"{outlook.label}: {outlook.stalled}")
    if not all(outlook.exact for outlook in outlooks):
        console.print(
            f"'about': extrapolated from the first rounds, {PREVIEW_ROUNDS} of them at most."
        )
    for entry in plan.scenario.methods:
        if (note := pricing_note(entry)) is not None:
            console.print(f"{entry.label}: not physical times, but {note}.")
    if figures := coarse_figures(plan):
        console.print(f"The times rest on coarse or guessed figures: {'; '.join(figures)}.")


def _row(outlook: MethodPreview) -> tuple[str, ...]:
    time = format_duration(outlook.virtual_time_s, 3)
    if not outlook.exact:
        time = f"about {time}"
    if outlook.stalled is not None:
        time = f"{NEVER}, stuck after {time}" if outlook.rounds else NEVER
    volume = outlook.bytes_per_client_round
    if volume is None:
        traffic = "none arrives" if outlook.stalled else "none sent"
    else:
        traffic = format_size(round(volume), 3)
    memory, of_edges = (
        " - ".join(format_size(value, 3) for value in sorted(set(needed.values())))
        for needed in (outlook.memory_bytes, outlook.edge_memory_bytes)
    )
    server = format_size(outlook.server_memory_bytes, 3)
    return (outlook.label, traffic, time, memory, server, of_edges or "-")


def _describe(plan: Plan, seeds: int, console: CommandConsole) -> None:
    scenario, training = plan.scenario, plan.scenario.training
    sizes = plan.shards.sizes
    each = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    lines = [
        f"{scenario.name}: {training.rounds} rounds, "
        f"{min(scenario.clients_per_round, plan.able_clients())} of "
        f"{len(sizes)} clients in each, {seeds} seed{'s' if seeds > 1 else ''}",
        f"{plan.info.name}: {sum(sizes)} training samples, {each} a client, "
        f"{plan.info.test_samples} test samples",
        f"{scenario.model.name} cut after block {_cuts(plan)} of {len(plan.blocks)}, "
        f"batch size {training.batch_size}, {training.local_epochs} local epoch(s)",
    ]
    if plan.task.unit == "token":
        lines.append(_per_token(plan))
    if plan.controller is not None:
        (name,), sets = scenario.written()["control"], sorted(plan.controller[0].sets)
        lines.append(f"before every round, {name} sets {' and '.join(sets)}".replace("_", " "))
    if training.closing is not None:
        lines.append(_closing(training.closing))
    lines += _given_split(plan)
    lines += _out_of_the_run(plan)
    if plan.topology.unconnected:
        lines.append(unconnected(plan.topology))
    for line in lines:
        console.print(line)


def _per_token(plan: Plan) -> str:
    """Return the cost of training on one token, and what a message has for it, at the first cut."""
    tokens, cut = plan.info.target_values, plan.scenario_cuts[0]
    flops = sum(block.forward_flops + block.backward_flops for block in plan.blocks) / tokens
    values = FLOAT_BYTES * prod(plan.model.activation_shape(cut)) / tokens
    label = plan.info.target_bytes // tokens
    return (
        f"for a token of {tokens}: {flops:,.4g} FLOP of training, {values:,.4g} B of activation and "
        f"{label} B of label at cut {cut}"
    )


def _cuts(plan: Plan) -> str:
    """Return the scenario's cut or, if there are several, each with the number of its clients."""
    if len(plan.scenario_cuts) == 1:
        cut, name = plan.scenario_cuts[0], plan.scenario.model.cut
        return f"{cut} ({name})" if isinstance(name, str) else str(cut)
    counts = Counter(plan.client_cuts)
    each = [f"{cut} ({counts[cut]} of the clients)" for cut in plan.scenario_cuts]
    return f"{', '.join(each[:-1])} or {each[-1]}"


def _closing(closing: Closing) -> str:
    """Return when a round closes although clients are still working."""

    def done(count: int) -> str:
        return "1 client is done" if count == 1 else f"{count} clients are done"

    moments = [] if closing.first is None else [f"as soon as {done(closing.first)}"]
    if closing.deadline is not None:
        least = closing.min_participants
        unless = f", but not before {done(least)}" if least else ""
        moments.append(f"{format_duration(closing.deadline)} after its start{unless}")
    late = "; late updates count when they arrive" if closing.late == "next" else ""
    return f"a round closes {', or '.join(moments)}{late}"


def _out_of_the_run(plan: Plan) -> list[str]:
    """Return how many clients take no part because they have too few samples, if any."""
    out, least = len(plan.shards.sizes) - plan.able_clients(), plan.model.min_batch
    if not out:
        return []
    which = "no samples" if least == 1 else f"fewer than {least} samples"
    who = "1 client" if out == 1 else f"{out} clients"
    return [f"{who} with {which} {'takes' if out == 1 else 'take'} no part"]


def _given_split(plan: Plan) -> list[str]:
    """Return the size of a split that a file or the data's users define, if there is one."""
    shards = plan.shards
    if not isinstance(shards, GivenPartition):
        return []
    held, different = len(shards.held), len(np.unique(shards.held))
    more = "" if held == different else f", {held - different} of them held more than once"
    users = f"; {shards.users} users in the data" if shards.users else ""
    return [f"given split: {different} of {plan.info.train_samples} training samples{more}{users}"]

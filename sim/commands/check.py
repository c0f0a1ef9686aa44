"""`cutlayer check`: what would run, before it runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.weights_notes import conversions
from cutlayer.sim.build.world import ExecutorName
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.data.datasets import load
from cutlayer.sim.data.given_split import GivenPartition
from cutlayer.sim.run.play import coarse_figures
from cutlayer.sim.run.preview import preview
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.topology_text import unconnected
from cutlayer.topologies.units import format_duration, format_size

PREVIEW_ROUNDS = 20
NEVER = "never ends"


def check_command(
    scenario: str, overrides: Sequence[str], *, executor: ExecutorName, data_dir: Path | None
) -> None:
    """Print the outlook of every method; raises for what `run` would refuse."""
    loaded = load_scenario(scenario, overrides)
    with looking_in(beside(loaded.document.source)):
        _check(loaded, executor, data_dir)


def _check(loaded: Loaded, executor: ExecutorName, data_dir: Path | None) -> None:
    plans = plan_checked(loaded, trains=executor == "inline")
    plan = plans[0]
    if executor == "inline":
        directory = data_dir or (Path(d) if (d := loaded.scenario.data.dir) else None)
        for one in plans:
            load(one.info, directory)
    console = make_console()
    _describe(plan, len(plans), console)
    for line in conversions(plan.scenario):
        console.say(line)
    headings = (
        "method",
        "per client and round",
        "virtual time",
        "memory, device",
        "memory, server",
    )
    rows = []
    guessed = False
    outlooks = preview(plan, PREVIEW_ROUNDS)
    for outlook in outlooks:
        time = (
            format_duration(outlook.virtual_time_s, 3)
            if outlook.exact
            else (f"about {format_duration(outlook.virtual_time_s, 3)}")
        )
        if outlook.stalled is not None:
            time = NEVER if not outlook.rounds else f"{NEVER}, stuck after {time}"
        guessed |= not outlook.exact
        volume = outlook.bytes_per_client_round
        memory = sorted(set(outlook.memory_bytes.values()))
        rows.append(
            (
                outlook.label,
                "none arrives"
                if volume is None and outlook.stalled
                else "none sent"
                if volume is None
                else format_size(round(volume), 3),
                time,
                " - ".join(format_size(value, 3) for value in memory),
                format_size(outlook.server_memory_bytes, 3),
            )
        )
    print_grid(console, headings, rows)
    for outlook in outlooks:
        if outlook.stalled is not None:
            console.say(f"{outlook.label}: {outlook.stalled}")
    if guessed:
        console.print(
            f"'about': up to {PREVIEW_ROUNDS} rounds were played and scaled to the whole run."
        )
    for figure in coarse_figures(plan):
        said = f"coarse or guessed: {figure}"
        console.say(said)


def _describe(plan: Plan, seeds: int, console: CommandConsole) -> None:
    scenario, training = plan.scenario, plan.scenario.training
    sizes = plan.shards.sizes
    lines = [
        f"{scenario.name}: {training.rounds} rounds, "
        f"{min(scenario.clients_per_round, plan.able_clients())} of "
        f"{len(sizes)} clients in each, {seeds} seed{'s' if seeds > 1 else ''}",
        f"{plan.info.name}: {sum(sizes)} training samples, {min(sizes)} to {max(sizes)} a client, "
        f"{plan.info.test_samples} test samples",
        f"{scenario.model.name} cut after block {scenario.model.cut} of {len(plan.blocks)}, "
        f"batch size {training.batch_size}, {training.local_epochs} local epoch(s)",
    ]
    lines += _given_split(plan)
    lines += _out_of_the_run(plan)
    if plan.topology.unconnected:
        lines.append(unconnected(plan.topology))
    for line in lines:
        console.say(line)


def _out_of_the_run(plan: Plan) -> list[str]:
    """Return how many clients take no part for want of samples, if any."""
    out, least = len(plan.shards.sizes) - plan.able_clients(), plan.model.min_batch
    if not out:
        return []
    which = "no samples" if least == 1 else f"fewer than {least} samples"
    who = "1 client" if out == 1 else f"{out} clients"
    return [f"{who} with {which} {'takes' if out == 1 else 'take'} no part"]


def _given_split(plan: Plan) -> list[str]:
    """Return how many samples a split from a file or by users deals, where there is one."""
    shards = plan.shards
    if not isinstance(shards, GivenPartition):
        return []
    held, different = len(shards.held), len(np.unique(shards.held))
    more = "" if held == different else f", {held - different} of them held more than once"
    users = f"; {shards.users} users in the data" if shards.users else ""
    return [f"given split: {different} of {plan.info.train_samples} training samples{more}{users}"]

"""`cutlayer show data` for targets that are numbers: a histogram of each client's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.build.plan import Plan
from cutlayer.sim.commands.console import CommandConsole
from cutlayer.sim.data.bins import binned
from cutlayer.sim.data.label_counts import label_counts, label_skew
from cutlayer.sim.views.columns import Column, print_columns
from cutlayer.sim.views.holdings import Holdings


def target_holdings(
    plan: Plan, targets: NDArray[Any], clients: Sequence[str]
) -> tuple[Holdings, ...]:
    """Return who holds which numbers, for each number of the targets [samples, ...]."""
    flat = targets.reshape(len(targets), -1)
    found = []
    for number in range(flat.shape[1]):
        indices, names = binned(flat[:, number])
        counts = label_counts(plan.shards, indices, len(names))
        which = "target" if flat.shape[1] == 1 else f"target {number + 1} of {flat.shape[1]}"
        found.append(Holdings(plan.scenario.name, plan.info.name, clients, names, counts, which))
    return tuple(found)


def print_targets(
    holdings: Sequence[Holdings],
    targets: NDArray[Any],
    plan: Plan,
    console: CommandConsole,
    most: int,
) -> None:
    """Print a table for each number of the targets, with the first `most` clients."""
    flat = targets.reshape(len(targets), -1)
    shards = np.split(
        plan.shards.order(np.zeros(len(flat), np.int64)), np.cumsum(plan.shards.sizes)
    )
    for number, held in enumerate(holdings):
        own = [flat[shard, number] for shard in shards[: len(held.clients)][:most]]
        columns = [Column("samples", [f"{len(values):,}" for values in own])]
        for heading, figure in (("mean", np.mean), ("least", np.min), ("greatest", np.max)):
            cells = [f"{figure(values):.6g}" if len(values) else "-" for values in own]
            columns.append(Column(heading, cells))
        columns += [
            Column(name, [f"{n:,}" if n else "-" for n in held.counts[:most, index]])
            for index, name in enumerate(held.classes)
        ]
        title = "" if len(holdings) == 1 else held.noun
        print_columns(console, Column("client", held.clients[:most]), columns, title)
        if len(held.clients) > most:
            console.print(f"... and {len(held.clients) - most:,} more")
        console.print(
            f"skew of the {held.noun}: {label_skew(held.counts):.2f} (distance of a client's histogram "
            f"from that of all, on average; 0: the same, 1: nothing in common)"
        )

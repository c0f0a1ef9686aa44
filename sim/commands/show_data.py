"""`cutlayer show data SCENARIO`: which client holds which samples."""

import json
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.commands.show_targets import print_targets, target_holdings
from cutlayer.sim.data.datasets import load
from cutlayer.sim.data.label_counts import dealt_counts, label_counts, label_skew
from cutlayer.sim.data.partition import Partition
from cutlayer.sim.data.samples import InMemory, TokenNotes
from cutlayer.sim.files.atomic import check_output_file, write_text
from cutlayer.sim.run.run import data_folder, load_scenario
from cutlayer.sim.views.columns import Column, print_columns
from cutlayer.sim.views.holdings import Holdings, write_holdings

PICTURES: Final = (".png", ".svg", ".pdf")
MAX_ROWS: Final = 40
MAX_COLUMNS: Final = 20
EXAMPLE_LETTERS: Final = 90
LARGEST: Final = 3  # classes of a client that are named where there are more columns than fit


def show_data_command(
    name: str,
    overrides: Sequence[str],
    *,
    out: Path | None,
    data_dir: Path | None,
    force: bool,
) -> None:
    """Print the samples of each client by class; draw them, or write the partition, to `out`."""
    if out is not None:
        if out.suffix not in (*PICTURES, ".json"):
            rule = "must end in .png, .svg, .pdf (a picture) or .json (the partition)"
            raise UserError(f"--out: {out} {rule}")
        check_output_file(out, "--out", force=force)
    loaded = load_scenario(name, overrides)
    with looking_in(beside(loaded.document.source)):
        plan = plan_checked(loaded, trains=False)[0]
        labels = targets = None
        if _needs_labels(plan, out):
            dataset = load(plan.info, data_folder(plan.scenario, data_dir))
            labels, targets = dataset.train_classes.numpy(), dataset.train_labels.numpy()
    clients = list(plan.topology.clients)
    if isinstance(plan.shards, Partition):
        counts = dealt_counts(plan.shards)
    else:
        assert labels is not None
        counts = label_counts(plan.shards, labels, plan.info.classes)
    console = make_console()
    if plan.info.target_type == "number":
        assert targets is not None
        each = target_holdings(plan, targets, clients)
        holdings = each[0]
        _print_heading(holdings, plan, console)
        print_targets(each, targets, plan, console, MAX_ROWS)
    else:
        classes = plan.info.class_names or ("all",)
        holdings = Holdings(plan.scenario.name, plan.info.name, clients, classes, counts)
        _print_heading(holdings, plan, console)
        _print(holdings, plan, console)
    if out is None:
        return
    if out.suffix == ".json":
        assert labels is not None
        shards = np.split(plan.shards.order(labels), np.cumsum(plan.shards.sizes)[:-1])
        write_text(out, partition_text(clients, shards), replace=force)
    else:
        write_holdings(holdings, out, replace=force)


def partition_text(clients: Sequence[str], shards: Sequence[NDArray[np.int64]]) -> str:
    """Return a partition as a JSON file, as `partition: {file: ...}` reads it, with a line a client."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(shard.tolist())}"
        for name, shard in zip(clients, shards, strict=True)
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _needs_labels(plan: Plan, out: Path | None) -> bool:
    """Return whether the data have to be read: rules deal by the counts of the classes alone."""
    saves = out is not None and out.suffix == ".json"
    by_number = plan.info.target_type == "number"
    return saves or by_number or not isinstance(plan.shards, Partition)


def _print_heading(holdings: Holdings, plan: Plan, console: CommandConsole) -> None:
    sizes = holdings.counts.sum(axis=1)
    console.print(
        f"{plan.scenario.name}: {plan.info.name}, {sizes.sum():,} of {plan.info.train_samples:,} "
        f"training samples with {len(sizes):,} clients, seed {plan.seed}"
    )


def _print(holdings: Holdings, plan: Plan, console: CommandConsole) -> None:
    counts, sizes = holdings.counts, holdings.counts.sum(axis=1)
    held = (counts > 0).sum(axis=1)
    shown = slice(MAX_ROWS)
    columns = [
        Column("samples", [f"{n:,}" for n in sizes[shown]]),
        Column("classes", [str(n) for n in held[shown]]),
    ]
    if counts.shape[1] <= MAX_COLUMNS:
        columns += [
            Column(label, [f"{n:,}" if n else "-" for n in counts[shown, index]])
            for index, label in enumerate(holdings.classes)
        ]
    else:
        columns.append(
            Column("most of", [_largest(row, holdings.classes) for row in counts[shown]], False)
        )
    print_columns(console, Column("client", holdings.clients[shown]), columns)
    if len(sizes) > MAX_ROWS:
        console.print(f"... and {len(sizes) - MAX_ROWS:,} more")
    console.print(f"samples per client: {_spread(sizes)}; classes per client: {_spread(held)}")
    console.print(
        f"label skew: {label_skew(counts):.2f} (distance of a client's mix of classes from that of all, "
        f"on average; 0: the same mix, 1: nothing in common)"
    )
    source = plan.info.source
    if isinstance(source, InMemory) and source.notes is not None:
        for line in token_lines(source.notes, source.train.inputs.size, plan.info.input_shape[0]):
            console.print(line)


def token_lines(notes: TokenNotes, places: int, length: int) -> list[str]:
    """Return what is said of training texts; `places` are the tokens of all samples with padding."""
    text, samples = notes.tokens / places, places // length
    cut = f"{notes.cut / notes.texts:.1%} have more than {length:,} tokens and are cut"
    if samples > notes.texts:
        cut = f"divided into {samples:,} samples of {length:,} tokens"
    lines = [
        f"tokens: {notes.tokenizer}, a vocabulary of {notes.vocabulary:,}, padding {notes.padding}",
        f"texts of the training files: {notes.texts:,}; {cut}",
        f"tokens of their samples: {text:.1%} text, {1 - text:.1%} padding"
        + (f", {notes.unknown / places:.1%} unknown words" if notes.unknown else ""),
    ]
    for label, example in notes.examples:
        shown = shorten(example, EXAMPLE_LETTERS, placeholder=" ...")
        lines.append(f"  {label}: {shown}" if label else f"  {shown}")
    return lines


def _largest(row: NDArray[np.int64], classes: Sequence[str]) -> str:
    order = np.argsort(-row, kind="stable")[:LARGEST]
    return ", ".join(f"{classes[index]} {row[index]:,}" for index in order if row[index]) or "-"


def _spread(values: NDArray[Any]) -> str:
    low, high = values.min(), values.max()
    if low == high:
        return f"{low:,} each"
    return f"{low:,} to {high:,}, median {np.median(values):,.0f}"

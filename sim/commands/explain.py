"""`cutlayer explain`: where the time of a run's rounds, or of a scenario's transfers, goes."""

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console

from cutlayer.errors import UserError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.shipped import shipped_names
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.files.atomic import check_output_file, whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import read
from cutlayer.sim.run.explain import Explained, Transfer, explain
from cutlayer.sim.run.pieces import Piece
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.critical_path import print_methods, print_path, print_rounds
from cutlayer.sim.views.decisions import decision_sentences
from cutlayer.sim.views.quantities import BYTES, TIMES, quantity, significant
from cutlayer.sim.views.uncertainty import pair_sentences
from cutlayer.sim.views.update_life import print_closing_fold, print_update
from cutlayer.suggestion import suggestion
from cutlayer.topologies.units import format_rate

LONGEST: Final = 20  # transfers shown
MOST_CHANGES: Final = 4  # a transfer whose limit changed more often is summed up
SLIGHT: Final = 0.01  # of all time; the summary leaves out what limited transfers for less


def explain_command(
    target: str,
    overrides: Sequence[str],
    *,
    method: str | None,
    round_index: int | None,
    update: int | None,
    client: str | None,
    limit: int | None,
    csv_file: Path | None,
    seed: int | None,
    force: bool,
) -> None:
    """Explain a run folder by its critical paths, or a scenario by one client's transfers."""
    if _is_folder(target):
        given = {"--set": overrides, "--client": client, "--csv": csv_file, "--seed": seed}
        for option, value in (given | {"--limit": limit}).items():
            if value not in (None, []):
                raise UserError(f"{option}: {target} is a run folder; {option} explains a scenario")
        explain_run(Path(target), method=method, round_index=round_index, update=update)
        return
    if update is not None:
        raise UserError(f"--update: {target} is a scenario; --update explains a run folder")
    if csv_file is not None:
        check_output_file(csv_file, "--csv", force=force)
    if seed is not None:
        overrides = [*overrides, "seeds=null", f"seed={seed}"]
    loaded = load_scenario(target, overrides)
    with looking_in(beside(loaded.document.source)):
        plan = plan_checked(loaded, trains=False)[0]
        explained = explain(plan, method, round_index or 0, client)
    if csv_file is not None:
        rows = [csv_row(explained, transfer) for transfer in explained.transfers]
        with whole_text(csv_file, replace=force) as file:
            writer = CsvWriter(file, list(rows[0]) if rows else ["transfer"])
            for row in rows:
                writer.add(row)
    console = make_console()
    print_transfers(explained, LONGEST if limit is None else limit, console)
    if csv_file is not None:
        console.say(f"all transfers: {csv_file}")


def explain_run(
    path: Path, *, method: str | None, round_index: int | None, update: int | None = None
) -> None:
    """Print where the time of all methods went, of one method's rounds, of a round or an update."""
    runs = read(path)
    if not isinstance(runs, list):
        raise UserError(
            f"{path} holds a study: sweep it with --full POINT, and explain points/POINT"
        )
    run = runs[0]
    labels = list(run.methods)
    if method is not None and method not in labels:
        raise UserError(
            f"--method {method}: not in {path}{suggestion(method, labels)} ({', '.join(labels)})"
        )
    console = make_console()
    if len(runs) > 1:
        console.print(f"seed {run.seed}, the first of {len(runs)}")
    if update is not None and round_index is not None:
        raise UserError("--update: give either --update or --round")
    if update is not None:
        print_update(run, method, update, console)
        return
    if round_index is not None:
        label = method or labels[0]
        print_path(run, label, round_index, console)
        if run.noun(label) != "round":
            print_closing_fold(run, label, round_index, console)
        return
    print_methods(run, [method] if method else labels, console)
    for line in (*pair_sentences(run), *decision_sentences(run, [method] if method else labels)):
        print_text(console, line)
    if method is not None:
        console.print()
        print_rounds(run, method, console)


def _is_folder(target: str) -> bool:
    try:
        return target not in shipped_names() and Path(target).is_dir()
    except (OSError, ValueError):  # not a path that the system accepts
        return False


def csv_row(explained: Explained, transfer: Transfer) -> Row:
    """Return a transfer as a row: times since the round began in s, rates in wire bytes/s."""
    account = transfer.account
    return {
        "method": explained.label,
        "round": explained.rnd.index,
        "client": explained.client,
        "transfer": transfer.number,
        "direction": transfer.direction,
        "message": transfer.activity,
        "start_s": transfer.start_s,
        "end_s": transfer.end_s,
        "arrival_s": None if transfer.dropped else transfer.end_s + transfer.delay_s,
        "payload_bytes": transfer.payload_bytes,
        "wire_bytes": transfer.wire_bytes,
        "link_bytes": transfer.carried_bytes,
        "dropped": int(transfer.dropped),
        "mean_rate": transfer.mean_rate,
        "cap": transfer.cap,
        "cap_from": transfer.cap_from,
        "connect_s": account.connect_s,
        "slow_start_s": account.slow_start_s,
        "slow_start_rounds": account.rounds,
        "window_bytes": account.window_bytes,
        "window_s": account.window_s,
        "loss_s": account.loss_s,
        "own_link_s": account.own_link_s,
        "shared_s": account.shared_s,
        "held_by": json.dumps([[p.start_s, p.rate, p.held_by] for p in transfer.pieces]),
    }


def print_transfers(explained: Explained, limit: int, console: Console) -> None:
    """Print the longest `limit` transfers in order of time, then a summary of all of them."""
    rnd, transfers = explained.rnd, explained.transfers
    window = rnd.noun == "window"
    named = f"{rnd.noun} {rnd.index}" + ("" if window else f" ({rnd.round_type})")
    console.print(
        plain(
            f"{explained.label}, {named}, seed {explained.seed}: transfers of {explained.client}",
            "bold",
        )
    )
    began_s = max(0.0, rnd.virtual_time_s - rnd.round_time_s)
    last = " Its update closed the window." if window else " It was the last client to finish."
    last = last if rnd.straggler == explained.client else ""
    cut = f" Its cut is {explained.cut}." if explained.mixed else ""
    console.print(
        plain(
            f"The {rnd.noun} began at {quantity(began_s, TIMES)} and took "
            f"{quantity(rnd.round_time_s, TIMES)}. The client's round-trip time is "
            f"{quantity(explained.rtt_s, TIMES)}.{last}{cut}"
        )
    )
    shown = sorted(sorted(transfers, key=lambda t: -t.seconds)[:limit], key=lambda t: t.number)
    if shown:
        if len(shown) < len(transfers):
            console.print(plain(f"The {len(shown)} longest of {len(transfers)} transfers:"))
        numbers = Column("#", [str(transfer.number) for transfer in shown])
        print_columns(console, numbers, _columns(shown))
    console.print()
    console.print(plain(summary(explained)))


def _columns(shown: Sequence[Transfer]) -> list[Column]:
    messages = [f"{t.direction} {t.activity}{' (dropped)' * t.dropped}" for t in shown]
    columns = [
        Column("message", messages, numbers=False),
        Column("start (s)", [f"{t.start_s:.3f}" for t in shown]),
        Column("duration", [quantity(t.seconds, TIMES) for t in shown]),
        Column("delay", ["-" if t.dropped else quantity(t.delay_s, TIMES) for t in shown]),
        Column("payload", [quantity(t.payload_bytes, BYTES) for t in shown]),
        Column("on the wire", [quantity(t.wire_bytes, BYTES) for t in shown]),
        Column("on all links", [quantity(t.carried_bytes, BYTES) for t in shown]),
        Column("mean rate", ["-" if t.mean_rate is None else _rate(t.mean_rate) for t in shown]),
        Column("rate limit", [_rate(t.cap) for t in shown]),
        Column("set by", [t.cap_from for t in shown], numbers=False),
    ]
    if any(t.account.rounds for t in shown):
        columns.append(Column("slow start (RTTs)", [str(t.account.rounds) for t in shown]))
    columns.append(Column("limited by", [_held(t.pieces) for t in shown], numbers=False))
    return columns


def _rate(bytes_per_s: float) -> str:
    return format_rate(bytes_per_s, 3)


def _held(pieces: Sequence[Piece]) -> str:
    """Return what limited a transfer in turn, or the sums if that changed often."""
    taken = [piece for piece in pieces if piece.seconds > 0]
    runs = [
        (name, sum(piece.seconds for piece in run))
        for name, run in groupby(taken, key=lambda piece: piece.held_by)
    ]
    if len(runs) <= MOST_CHANGES:
        return ", then ".join(f"{name} {quantity(seconds, TIMES)}" for name, seconds in runs)
    sums: defaultdict[str, float] = defaultdict(float)
    for name, seconds in runs:
        sums[name] += seconds
    most_first = sorted(sums.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {quantity(seconds, TIMES)}" for name, seconds in most_first)
    return f"in {len(runs)} turns: {listed}"


def summary(explained: Explained) -> str:
    """Return where the time of the client's transfers went, in a few sentences."""
    transfers, client = explained.transfers, explained.client
    total_s = sum(transfer.seconds for transfer in transfers)
    if not total_s:
        return f"{client} spent no time on transfers in this round."
    held = explained.held_s()
    limits = [
        f"{name} for {quantity(seconds, TIMES)} ({significant(100 * (seconds / total_s), 2)} %)"
        for name, seconds in held.items()
        if seconds >= SLIGHT * total_s
    ]
    up, down = (
        sum(t.seconds for t in transfers if t.direction == direction)
        for direction in ("up", "down")
    )
    travelled_s = sum(transfer.delay_s for transfer in transfers)
    dropped = sum(transfer.dropped for transfer in transfers)
    sentences = [
        f"{len(transfers)} transfer{'s' * (len(transfers) > 1)} of {client} took "
        f"{quantity(total_s, TIMES)} in all: {quantity(up, TIMES)} up and "
        f"{quantity(down, TIMES)} down.",
        f"They were limited by {_and(limits)}.",
        f"Propagation delays added {quantity(travelled_s, TIMES)}.",
    ]
    if dropped:
        sentences.append(f"{dropped} of them {'was' if dropped == 1 else 'were'} dropped.")
    return " ".join(sentences)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

"""A client's transfers on the terminal: how long each took, what limited it, and a summary."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.console import Console

from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.run.explain import Explained, Piece, Transfer
from cutlayer.sim.views.columns import Column, print_columns
from cutlayer.sim.views.quantities import BYTES, TIMES, quantity, significant
from cutlayer.topologies.units import format_rate

MOST_CHANGES: Final = 4  # a transfer whose limit changed more often is summed up
SLIGHT: Final = 0.01  # of all time; the summary leaves out what limited transfers for less


def print_transfers(explained: Explained, limit: int, console: Console) -> None:
    """Print the longest `limit` transfers in order of time, then a summary of all of them."""
    rnd, transfers = explained.rnd, explained.transfers
    console.print(
        plain(
            f"{explained.label}, round {rnd.index} ({rnd.round_type}), seed {explained.seed}: "
            f"transfers of {explained.client}",
            "bold",
        )
    )
    began_s = max(0.0, rnd.virtual_time_s - rnd.round_time_s)
    last = " It was the last client to finish." if rnd.straggler == explained.client else ""
    console.print(
        plain(
            f"The round began at {quantity(began_s, TIMES)} and took "
            f"{quantity(rnd.round_time_s, TIMES)}. The client's round-trip time is "
            f"{quantity(explained.rtt_s, TIMES)}.{last}"
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
        f"{name} for {quantity(seconds, TIMES)} ({_percent(seconds / total_s)})"
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


def _percent(share: float) -> str:
    return f"{significant(100 * share, 2)} %"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

"""The pieces of a transfer, each sent at one rate, and what limited them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cutlayer.sim.network.observers import TRANSPORT, Span
from cutlayer.sim.transport import Account

SET_UP: Final = "connection set-up"
SLOW_START: Final = "slow start"
NEGLIGIBLE_S: Final = 1e-9  # a remaining time in slow start below this is 0


@dataclass(frozen=True)
class Piece:
    """A piece of a transfer at one `rate` (bytes/s), limited by a link or an effect of TCP."""

    start_s: float
    end_s: float
    rate: float
    held_by: str

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.end_s - self.start_s


def pieces_of(spans: Sequence[Span], end_s: float, account: Account) -> Iterator[Piece]:
    """Yield the pieces of a transfer; those limited by TCP are split by its effects."""
    opened_s = account.start_s + account.connect_s
    slow_s = account.slow_start_s
    after = account.cap_from if account.cap_from in ("window", "loss") else SLOW_START
    until = [*(span.start_s for span in spans[1:]), end_s]
    for span, end in zip(spans, until, strict=True):
        held_by = span.bottleneck
        if held_by == TRANSPORT and span.start_s < opened_s:
            held_by = SET_UP
        elif held_by == TRANSPORT:
            held_by = SLOW_START if slow_s > NEGLIGIBLE_S else after
            slow_s -= end - span.start_s
        yield Piece(span.start_s, end, span.rate, held_by)

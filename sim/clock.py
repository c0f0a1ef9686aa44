"""The virtual clock: a SimPy environment that can start again at zero.

A synchronous method leaves nothing in flight when a round closes. The clock is then *rebased*: its
time moves into `epoch_s` and the next round starts at local time 0. Rounds with the same events are
then equal bit for bit however late they happen, a long run loses no precision, and the record of a
round can be reused. Nothing here reads the host's clock.
"""

from collections.abc import Callable
from math import inf, nan
from typing import Final

import simpy
from simpy.core import EmptySchedule

from cutlayer.errors import UserError
from cutlayer.topologies.units import format_duration

STUCK_AFTER: Final = 5_000_000  # events at one instant
_LAST: Final = 2  # priority of an event that follows all others of its instant; SimPy's are 0 and 1


def call_after(event: simpy.Event, callback: Callable[[simpy.Event], None]) -> None:
    """Call a function with the event once it has happened."""
    assert event.callbacks is not None, "the event has happened already"
    event.callbacks.append(callback)


class StuckClockError(Exception):
    """A process keeps the clock at one instant."""


class EndlessRoundError(Exception):
    """No events are left, but the round is not over."""


class TooManyEventsError(UserError):
    """A round takes more events than the scenario allows."""


class Signal(simpy.Event):
    """An event that can happen within another one, without an event of the clock's own."""

    def happen(self) -> None:
        """Continue now with whatever waits for it."""
        assert self.callbacks is not None, "it has happened already"
        self._ok, self._value = True, None
        callbacks, self.callbacks = self.callbacks, None  # type: ignore[assignment]  # as in SimPy
        for callback in callbacks:
            callback(self)


class _Last(simpy.Event):
    def __init__(self, clock: simpy.Environment, delay_s: float) -> None:
        super().__init__(clock)
        self._ok, self._value = True, None
        clock.schedule(self, _LAST, delay_s)  # type: ignore[arg-type]  # SimPy has names for 0 and 1


class Clock(simpy.Environment):
    """A SimPy environment whose `now` counts seconds since `epoch_s` (seconds of virtual time).

    `events` counts the events since the run began; a round may take `round_events`.
    """

    def __init__(self, round_events: float = inf) -> None:
        super().__init__(0.0)
        self.epoch_s = 0.0
        self.events = 0
        self._round_events = round_events
        self._last_event = round_events
        self._instant = nan
        self._stuck_at = 0

    @property
    def elapsed_s(self) -> float:
        """Virtual time since the run began, in seconds."""
        return self.epoch_s + float(self.now)

    def step(self) -> None:
        """Process the next event.

        Raises StuckClockError if the clock has stopped advancing, TooManyEventsError at the limit.
        """
        events = self.events = self.events + 1
        if events > self._last_event:
            raise TooManyEventsError(
                f"takes more than {self._round_events:,} events up to a virtual time of"
                f" {format_duration(self.elapsed_s)}, the limit of a round: raise"
                " limits.round_events to allow more"
            )
        super().step()
        if self._now != self._instant:
            self._instant, self._stuck_at = self._now, events + STUCK_AFTER
        elif events >= self._stuck_at:
            raise StuckClockError(
                f"the clock has not advanced beyond {self.elapsed_s} s for {STUCK_AFTER} events"
            )

    def after_all(self, delay_s: float) -> simpy.Event:
        """Return an event `delay_s` from now that follows all other events of its instant."""
        return _Last(self, delay_s)

    def play(self, process: simpy.Process) -> None:
        """Run until a process has ended. Raises EndlessRoundError if no events are left before."""
        try:
            self.run(until=process)
        except RuntimeError as error:
            if self._queue or process.triggered:
                raise
            raise EndlessRoundError(f"nothing happens any more after {self.elapsed_s} s") from error

    def play_until(self, over: Callable[[], bool]) -> None:
        """Run until `over()`. Raises EndlessRoundError if no events are left."""
        self._last_event = self.events + self._round_events
        try:
            while not over():
                self.step()
        except EmptySchedule:
            raise EndlessRoundError(f"nothing happens any more after {self.elapsed_s} s") from None

    def rebase(self, duration_s: float) -> None:
        """Close a round that took `duration_s`: move it into the epoch and start again at 0.

        The caller ensures that nothing is in flight; obsolete wake-ups are dropped.
        """
        super().__init__(0.0)
        self._last_event = self.events + self._round_events
        self.epoch_s += duration_s

"""The `availability` section: when clients are offline, and what happens to their work."""

import math
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from cutlayer.scenarios.bandwidth import check_changes
from cutlayer.scenarios.fields import Section, Text, as_rule, not_empty, rule
from cutlayer.scenarios.quantities import Delay, Duration
from cutlayer.scenarios.unions import by_key
from cutlayer.topologies.availability import presence, read_recording


class AbsenceSection(Section):
    """The clients of a group (or one client), and what happens when one goes offline in a round.

    `drop`: the client leaves the round, and its update does not count. `resume`: the device goes on
    computing, and a message in flight is sent again from its first byte when it is back.
    """

    clients: Text
    on_disconnect: Literal["drop", "resume"]


class Window(Section):
    """A time interval."""

    model_config = ConfigDict(serialize_by_alias=True)
    since: Delay = Field(alias="from")
    until: Delay

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.until <= self.since:
            raise rule("must have an until after its from")
        return self


class OfflineWindows(AbsenceSection):
    """Offline at given times, which repeat after `repeat`; online at all other times."""

    offline: Annotated[tuple[Window, ...], not_empty]
    repeat: Duration | None = None

    @model_validator(mode="after")
    def _fits_the_period(self) -> Self:
        if self.repeat is not None:
            if max(window.until for window in self.offline) > self.repeat:
                raise rule("must repeat after the end of every window")
            windows = [(window.since, window.until) for window in self.offline]
            schedule = presence(windows, online=False, period_s=self.repeat)
            if schedule.mean == 0:
                raise rule("must leave some time online")
            check_changes(schedule.changes_per_s)
        return self


class OfflineTrace(AbsenceSection):
    """Online by a recording with lines of client, online_from_s and online_until_s.

    The recording's clients are the scenario's by `name`, or are assigned to the group's clients in
    turn, by `position`. The recording repeats after `repeat`; without it, all are offline at its end.
    """

    trace: Text
    match: Literal["name", "position"] = "name"
    repeat: Duration | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        with as_rule():
            recorded = read_recording(self.trace)
        last = max(end for intervals in recorded.values() for _, end in intervals)
        if last > (math.inf if self.repeat is None else self.repeat):
            raise rule(f"must repeat after the last time of {self.trace}, {last:g} s")
        if self.repeat is not None:
            check_changes(2 * max(map(len, recorded.values())) / self.repeat)
        return self


class OnOff(Section):
    """Alternating times online and offline, exponentially distributed with these means."""

    online: Duration
    offline: Duration

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        check_changes(2 / (self.online + self.offline))
        return self


class OfflineMarkov(AbsenceSection):
    """Alternately online and offline at random, independently for each client."""

    markov: OnOff


Absence = Annotated[
    OfflineWindows | OfflineTrace | OfflineMarkov,
    by_key(
        "must have clients, on_disconnect, and one of offline, trace and markov",
        offline=OfflineWindows,
        trace=OfflineTrace,
        markov=OfflineMarkov,
    ),
]

"""The windows of an asynchronous run: what `training.rounds` counts, since there are no rounds."""

from collections.abc import Callable
from math import floor, inf

from pydantic import model_validator

from cutlayer.scenarios.fields import Count, Section, rule
from cutlayer.scenarios.quantities import Duration


class WindowSection(Section):
    """When a window closes: with the fold that completes a number of updates or versions, or a time.

    Exactly one of these is given. With `every`, it is the first fold at or after each multiple.
    """

    updates: Count | None = None
    versions: Count | None = None
    every: Duration | None = None

    @model_validator(mode="after")
    def _one(self) -> "WindowSection":
        if sum(value is not None for value in (self.updates, self.versions, self.every)) != 1:
            raise rule("needs exactly one of updates, versions and every")
        return self


class Window:
    """Counts the folds of a window; `closed` says whether it is over.

    `counted` is called with the number of updates or versions so far and that of the whole window.
    """

    def __init__(self, section: WindowSection | None, clients_per_round: int) -> None:
        self._section = section or WindowSection(updates=clients_per_round)
        self.index = -1
        self.counted: Callable[[int, int], None] | None = None
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Begin the next window, `now` seconds after the run began."""
        self.index += 1
        self.updates = self.versions = 0
        self.closed = False
        every = self._section.every
        self._until_s = inf if every is None else (floor(now / every) + 1) * every

    def count(self, updates: int, now: float) -> None:
        """Count a fold of some updates."""
        self.updates += updates
        self.versions += 1
        section = self._section
        done = self.versions if section.updates is None else self.updates
        total = section.updates or section.versions
        self.closed = now >= self._until_s if total is None else done >= total
        if self.counted is not None and total is not None:
            self.counted(min(done, total), total)

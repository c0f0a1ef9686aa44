"""Routes that are alike, in runs: a million routes of a few kinds cost what the kinds cost.

The routes of a run cross the same shared resources with the same consumption per byte, each beside
resources of its own. So the first route of a run stands for all of it, and what is kept by route is kept
by run, or made when a transfer first takes the route.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar, overload

Value = TypeVar("Value")
Other = TypeVar("Other")


class Runs:
    """So many routes in runs that begin at `starts`, ascending from 0."""

    def __init__(self, starts: Sequence[int], count: int) -> None:
        assert not count or starts[0] == 0
        self.starts = starts
        self.count = count
        self.single = len(starts) == count

    @classmethod
    def apart(cls, count: int) -> "Runs":
        """Return so many runs of one route."""
        return cls(range(count), count)

    def run_of(self, route: int) -> int:
        """Return the run that a route is in."""
        return route if self.single else bisect_right(self.starts, route) - 1

    def sizes(self) -> list[int]:
        """Return how many routes each run has."""
        ends = [*self.starts[1:], self.count]
        return [end - start for start, end in zip(self.starts, ends, strict=True)]

    def twice(self) -> "Runs":
        """Return these runs, and the same once more after them."""
        more = [self.count + start for start in self.starts]
        return Runs([*self.starts, *more], 2 * self.count)


class ByRun(dict[int, Value]):
    """Values by the first route of their run, which any route of it finds."""

    def __init__(self, runs: Runs, values: Mapping[int, Value]) -> None:
        super().__init__(values)
        self.runs = runs

    def __missing__(self, route: int) -> Value:
        return self[self.runs.starts[self.runs.run_of(route)]]


def mapped(values: Mapping[int, Value], change: Callable[[Value], Other]) -> dict[int, Other]:
    """Return changed values by route, or by run if these are."""
    changed = {route: change(value) for route, value in values.items()}
    return ByRun(values.runs, changed) if isinstance(values, ByRun) else changed


class Lazy(Sequence[Value]):
    """So many values, each made when it is first asked for."""

    def __init__(self, count: int, make: Callable[[int], Value]) -> None:
        self._count = count
        self._make = make
        self._made: dict[int, Value] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Value: ...
    @overload
    def __getitem__(self, place: slice) -> list[Value]: ...
    def __getitem__(self, place: int | slice) -> Value | list[Value]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self._count))]
        found = self._made.get(place)
        if found is None:
            if not -self._count <= place < self._count:
                raise IndexError(place)
            place %= self._count
            found = self._made[place] = self._make(place)
        return found

    def made(self) -> Iterator[Value]:
        """Yield the values that were asked for."""
        yield from self._made.values()

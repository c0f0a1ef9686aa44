"""Runs of routes that are alike: a million routes of a few sorts cost as much as the few.

The routes of a run cross the same shared resources with the same consumption per byte, and each has
private resources beside these. The first route of a run stands for all of it: values are kept by run,
or computed when a transfer first takes a route.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar, overload

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Other = TypeVar("Other")


class Runs:
    """Runs of `count` routes that begin at `starts`, ascending from 0."""

    def __init__(self, starts: Sequence[int], count: int) -> None:
        assert not count or starts[0] == 0
        self.starts = starts
        self.count = count
        self.single = len(starts) == count

    @classmethod
    def apart(cls, count: int) -> "Runs":
        """Return `count` runs of one route each."""
        return cls(range(count), count)

    def run_of(self, route: int) -> int:
        """Return the run that a route is in."""
        return route if self.single else bisect_right(self.starts, route) - 1

    def sizes(self) -> list[int]:
        """Return how many routes each run has."""
        ends = [*self.starts[1:], self.count]
        return [end - start for start, end in zip(self.starts, ends, strict=True)]

    def twice(self) -> "Runs":
        """Return these runs followed by the same runs once more."""
        return self.then(self)

    def then(self, others: "Runs") -> "Runs":
        """Return these runs followed by others."""
        more = [self.count + start for start in others.starts]
        return Runs([*self.starts, *more], self.count + others.count)


class ByRun(dict[int, Value]):
    """Values by run: the keys are the first routes, and any route of a run finds its value."""

    def __init__(self, runs: Runs, values: Mapping[int, Value]) -> None:
        super().__init__(values)
        self.runs = runs

    def __missing__(self, route: int) -> Value:
        return self[self.runs.starts[self.runs.run_of(route)]]

    def mapped(self, change: Callable[[Value], Other]) -> "ByRun[Other]":
        """Return the values that `change` makes of these."""
        return ByRun(self.runs, {route: change(value) for route, value in self.items()})


class OnDemand(dict[Key, Value]):
    """Values that `make` computes from their keys at their first use; then it is a dictionary."""

    def __init__(self, make: Callable[[Key], Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Value:
        value = self[key] = self._make(key)
        return value


ByIndex = Sequence[Value] | OnDemand[int, Value]
"""Values of routes, which are computed beforehand or on demand."""


class Lazy(Sequence[Value]):
    """A sequence of `count` values, each computed by `make` at its first use."""

    def __init__(self, count: int, make: Callable[[int], Value]) -> None:
        self._count = count
        self._computed = OnDemand(make)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> list[Value]: ...
    def __getitem__(self, index: int | slice) -> Value | list[Value]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        value = self._computed.get(index)
        if value is None:
            if not -self._count <= index < self._count:
                raise IndexError(index)
            value = self._computed[index % self._count]
        return value

    def computed(self) -> Iterator[Value]:
        """Yield the values computed so far."""
        yield from self._computed.values()

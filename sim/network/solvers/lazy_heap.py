"""A heap from which any item can be taken at O(1): its entry stays until it surfaces."""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

TIDY_AFTER: Final = 64


class Numbered(Protocol):
    """An item of a heap. Its entries are valid as long as it has the number that they were given."""

    number: int


Item = TypeVar("Item", bound=Numbered)


class LazyHeap(Generic[Item]):
    """Items by key, the least first; equal keys by `order`, which is the item's own.

    An item is taken from all its heaps by a new number, which it has not had before. `entries` is
    empty only if there are no items, and may hold more than these.
    """

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[tuple[float, int, int, Item]] = []  # key, order, number, item

    def push(self, key: float, order: int, item: Item) -> None:
        """Add an item."""
        heappush(self.entries, (key, order, item.number, item))

    def first(self) -> Item | None:
        """Return the item with the least key, or None from an empty heap."""
        entries = self.entries
        while entries:
            _, _, number, item = entries[0]
            if item.number == number:
                return item
            heappop(entries)
        return None

    def first_key(self) -> float:
        """Return the key of the item that `first` has just returned."""
        return self.entries[0][0]

    def pop(self) -> None:
        """Take the item that `first` has just returned, from this heap only."""
        heappop(self.entries)

    def pop_up_to(self, bound: float) -> list[Item]:
        """Take the items with keys of at most `bound`, from this heap only; the least first."""
        entries = self.entries
        popped = []
        while entries:
            key, _, number, item = entries[0]
            if item.number == number:
                if key > bound:
                    break
                popped.append(item)
            heappop(entries)
        return popped

    def items(self) -> Iterator[Item]:
        """Yield all items, in no particular order."""
        return (item for _, _, _, item in self._valid())

    def _valid(self) -> list[tuple[float, int, int, Item]]:
        return [entry for entry in self.entries if entry[3].number == entry[2]]

    def clear(self) -> None:
        """Take all items, from this heap only."""
        self.entries.clear()

    def tidy(self, key: Callable[[Item], float] | None = None) -> None:
        """Drop the entries of taken items, and give the others new keys if `key` is given."""
        entries = self._valid()
        if key is not None:
            entries = [(key(item), order, number, item) for _, order, number, item in entries]
        self.entries = entries
        heapify(self.entries)

    def tidy_beyond(self, live: int) -> None:
        """Drop the entries of taken items once the `live` ones are less than about a quarter."""
        if len(self.entries) > TIDY_AFTER + 4 * live:
            self.tidy()

"""A heap from which any item can be taken at O(1): its entry stays, emptied, until it surfaces."""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Final, Generic, TypeVar

Item = TypeVar("Item")
Entry = list[Any]
"""Key, order among equal keys, running number and item; the item is None once it was taken."""
KEY: Final = 0
ITEM: Final = 3
TIDY_AFTER: Final = 64


class LazyHeap(Generic[Item]):
    """Items by key, the least first; equal keys by `order`, which is the item's own."""

    __slots__ = ("_entries", "_number")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._number = 0

    def push(self, key: float, order: int, item: Item) -> Entry:
        """Add an item; return its entry, by which `take` finds it."""
        self._number = number = self._number + 1
        entry = [key, order, number, item]
        heappush(self._entries, entry)
        return entry

    def first(self) -> Item | None:
        """Return the item with the least key, or None from an empty heap."""
        entries = self._entries
        while entries:
            item: Item | None = entries[0][ITEM]
            if item is not None:
                return item
            heappop(entries)
        return None

    def pop(self) -> None:
        """Take the item that `first` has just returned."""
        heappop(self._entries)[ITEM] = None

    def items(self) -> Iterator[Item]:
        """Yield all items, in no particular order."""
        return (entry[ITEM] for entry in self._entries if entry[ITEM] is not None)

    def clear(self) -> None:
        """Take all items."""
        self._entries.clear()

    def tidy(self, key: Callable[[Item], float] | None = None) -> None:
        """Drop emptied entries, and give every item a new key if one is given."""
        entries = [entry for entry in self._entries if entry[ITEM] is not None]
        if key is not None:
            for entry in entries:
                entry[KEY] = key(entry[ITEM])
        heapify(entries)
        self._entries = entries

    def tidy_beyond(self, live: int) -> None:
        """Drop emptied entries once they are most of the heap, which has `live` items."""
        if len(self._entries) > TIDY_AFTER + 4 * live:
            self.tidy()


def take(entry: Entry | None) -> None:
    """Take an item from its heap by its entry; nothing happens if it was taken before."""
    if entry is not None:
        entry[ITEM] = None

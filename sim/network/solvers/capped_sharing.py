"""The flows of one shared resource: capped ones, which end at a fixed time, and sharing ones.

Weights are normalised away: `limit` = cap / weight, `load` = consumption * weight, and bytes left
are per weight too, so that all sharing flows run at one level and end by one virtual clock (see
virtual_clock.py). Both kinds have a heap by limit (which crosses the boundary next) and a heap by
end (which is due next).
"""

from collections.abc import Iterator
from math import inf
from typing import Final

from cutlayer.sim.network.flow import Flow
from cutlayer.sim.network.solvers.lazy_heap import Entry, LazyHeap, take
from cutlayer.sim.network.solvers.solver import Solver, by_sequence
from cutlayer.sim.network.solvers.virtual_clock import VirtualClock

NEW: Final = 0  # not placed yet
CAPPED: Final = 1
SHARING: Final = 2
UNLIMITED: Final = 3  # held by neither the resource nor its cap: ends at the instant of its start


class Sender:
    """A flow in flight. `left` (per weight) is as of `since` while it is capped, else as of its start.

    `tag` is when it ends: a time if it is capped, a virtual time if it shares. `by_end` and `by_limit`
    are its entries in the heaps of its state, `turn` is that of its latest move between them.
    """

    __slots__ = (
        "by_end",
        "by_limit",
        "flow",
        "left",
        "limit",
        "load",
        "since",
        "state",
        "tag",
        "turn",
    )

    def __init__(self, flow: Flow, load: float) -> None:
        self.flow = flow
        self.load = load
        self.state = NEW
        self.turn = 0
        self.limit: float = inf
        self.left: float = 0
        self.since: float = 0
        self.tag: float = 0
        self.by_end: Entry | None = None
        self.by_limit: Entry | None = None


class CappedSharing(Solver):
    """The account of capped and sharing flows, without the decision which flow is which."""

    __slots__ = (
        "_capped",
        "_capped_by_end",
        "_capped_by_limit",
        "_capped_load",
        "_changes",
        "_clock",
        "_due_at",
        "_due_end",
        "_due_tag",
        "_full_s",
        "_full_since",
        "_new",
        "_now",
        "_senders",
        "_sharing",
        "_sharing_by_limit",
        "_sharing_by_tag",
        "_sharing_load",
        "_unlimited",
    )

    def __init__(self) -> None:
        super().__init__()
        self._senders: dict[Flow, Sender] = {}
        self._new: list[Sender] = []
        self._unlimited: list[Sender] = []
        self._capped_by_end: LazyHeap[Sender] = LazyHeap()
        self._capped_by_limit: LazyHeap[Sender] = LazyHeap()  # keys negative: the largest first
        self._sharing_by_tag: LazyHeap[Sender] = LazyHeap()
        self._sharing_by_limit: LazyHeap[Sender] = LazyHeap()  # without the flows that have no cap
        self._clock = VirtualClock()
        self._full_s: float = 0  # for how long flows have shared, up to `_full_since`
        self._reset()

    def _reset(self) -> None:
        """Forget all times, so that what follows an idle time does not depend on what was before."""
        self._now: float = 0
        self._full_since: float = 0
        self._clock.reset()
        # The end foreseen by the latest solve: its time, and its key in either heap.
        self._due_at: float = inf
        self._due_end: float = -inf
        self._due_tag: float = -inf
        self._capped = self._sharing = self._changes = 0
        self._capped_load: float = 0
        self._sharing_load: float = 0
        self._capped_by_end.clear()
        self._capped_by_limit.clear()
        self._sharing_by_tag.clear()
        self._sharing_by_limit.clear()

    def _advance(self, now: float) -> None:
        """Advance the virtual clock; at the end that was foreseen, set it to exactly that."""
        clock = self._clock
        if now != self._now:
            clock.value += clock.level * (now - self._now)
            clock.since = self._now = now
        if now >= self._due_at and clock.value < self._due_tag:
            clock.value = self._due_tag

    def _cap(self, sender: Sender, left: float) -> None:
        """Run a flow with `left` bytes per weight at its cap."""
        now = self._now
        limit = sender.limit
        sender.state = CAPPED
        sender.left = left
        sender.since = now
        sender.tag = end = now + left / limit if limit else inf if left else now
        self._changes += 1
        self._capped += 1
        self._capped_load += sender.load * limit
        sequence = sender.flow.sequence
        sender.by_end = self._capped_by_end.push(end, sequence, sender)
        sender.by_limit = self._capped_by_limit.push(-limit, sequence, sender)

    def _share(self, sender: Sender, left: float) -> None:
        """Let a flow with `left` bytes per weight share the resource."""
        sender.state = SHARING
        sender.tag = tag = self._clock.value + left
        self._changes += 1
        if not self._sharing:
            self._full_since = self._now
        self._sharing += 1
        self._sharing_load += sender.load
        sequence = sender.flow.sequence
        sender.by_end = self._sharing_by_tag.push(tag, sequence, sender)
        if sender.limit < inf:
            sender.by_limit = self._sharing_by_limit.push(sender.limit, sequence, sender)

    def _displace(self, sender: Sender) -> float:
        """Take a flow from its heaps and return the bytes that it has left, per weight."""
        take(sender.by_end)
        if sender.state == CAPPED:
            self._uncap(sender)
            return max(0, sender.left - sender.limit * (self._now - sender.since))
        self._unshare(sender)
        return max(0, sender.tag - self._clock.value)

    def _uncap(self, sender: Sender) -> None:
        take(sender.by_limit)
        self._capped -= 1
        sender.flow.capped_s += self._now - sender.since
        # Rounding must not leave less than nothing: flows would creep during an outage.
        load = self._capped_load - sender.load * sender.limit
        self._capped_load = load if self._capped and load > 0 else 0

    def _unshare(self, sender: Sender) -> None:
        take(sender.by_limit)
        self._sharing -= 1
        if not self._sharing:
            self._full_s += self._now - self._full_since
        self._sharing_load = self._sharing_load - sender.load if self._sharing else 0

    def _horizon(self, now: float) -> float:
        """Return the time up to which capped flows have ended by `now`."""
        return max(now, self._due_end) if now >= self._due_at else now

    def left(self, flow: Flow, now: float) -> float:
        """Bytes that a flow in flight has left at `now`; less than the clock resolves is none."""
        return self._left(self._senders[flow], now)

    def _left(self, sender: Sender, now: float) -> float:
        weight = sender.flow.weight
        if sender.state == NEW:
            return sender.left * weight
        if sender.state == CAPPED:
            if sender.tag <= self._horizon(now):
                return 0
            return max(0, sender.left - sender.limit * (now - sender.since)) * weight
        if sender.state == SHARING:
            virtual, level = self._clock.at(now), self._clock.level
            if now >= self._due_at:
                virtual = max(virtual, self._due_tag)
            left = sender.tag - virtual
            if left > 0 and not (level and now + left / level <= now):
                return left * weight
        return 0

    def rate(self, flow: Flow) -> float:
        """Rate of a flow in bytes/s, as of the latest solve."""
        sender = self._senders[flow]
        if sender.state == NEW:
            return 0
        if sender.state == UNLIMITED:
            return inf
        return flow.weight * (sender.limit if sender.state == CAPPED else self._clock.level)

    def flows(self) -> Iterator[Flow]:
        """All flows in flight, in the order in which they came."""
        return iter(self._senders)

    def _pop_due(self) -> list[Flow]:
        """Take the flows that have ended, in sequence order."""
        ended = self._unlimited
        self._unlimited = []
        now, virtual, level = self._now, self._clock.value, self._clock.level
        heap = self._sharing_by_tag
        while (sender := heap.first()) is not None:
            tag = sender.tag
            if tag > virtual and (not level or now + (tag - virtual) / level > now):
                break
            heap.pop()
            self._unshare(sender)
            ended.append(sender)
        horizon = self._horizon(now)
        heap = self._capped_by_end
        while (sender := heap.first()) is not None:
            if sender.tag > horizon:
                break
            heap.pop()
            self._uncap(sender)
            ended.append(sender)
        flows = [sender.flow for sender in ended]
        for flow in flows:
            del self._senders[flow]
        if len(flows) > 1:
            flows.sort(key=by_sequence)
        return flows

    def _tidy(self) -> None:
        """Drop emptied entries, set the virtual clock to 0 and add the sums anew, against rounding."""
        self._changes = 0
        shift = self._clock.value
        self._clock.value = 0
        for sender in self._sharing_by_tag.items():
            sender.tag -= shift
        self._sharing_load = sum(sender.load for sender in self._sharing_by_tag.items())
        self._capped_load = sum(s.load * s.limit for s in self._capped_by_end.items())
        self._sharing_by_tag.tidy(lambda sender: sender.tag)
        for heap in (self._sharing_by_limit, self._capped_by_end, self._capped_by_limit):
            heap.tidy()

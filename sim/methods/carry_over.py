"""Rounds that close early and lose no update: `training.closing` with `late: next`.

When a round closes, its late clients continue. Their updates count in the round in which they arrive,
with the weight of the others; until then they do not take part in other rounds. Rounds are windows of an
asynchronous run: each closes with its fold, and time is continuous.
"""

from collections.abc import Sequence
from itertools import count
from math import inf

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import Closing
from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Phase
from cutlayer.sim.methods.asynchronous import AsyncMethod, AsyncOptions
from cutlayer.sim.methods.method import Process, Round
from cutlayer.sim.methods.split_method import SplitMethod
from cutlayer.sim.methods.update import Update
from cutlayer.sim.methods.window import WindowSection


class CarryOver(AsyncMethod):
    """The rounds of a synchronous `method` whose late clients finish while the next round runs.

    A round samples as many clients as usual among those that are not late. It closes once `first`
    updates have arrived in it, including late ones of earlier rounds; or at its deadline if
    `min_participants` have; or when no other is expected.
    """

    def __init__(self, method: SplitMethod, closing: Closing) -> None:
        every = len(method.world.fleet.able)
        window = WindowSection(versions=1)
        super().__init__(method.world, AsyncOptions(in_flight=every, window=window))
        self.method = method
        self.closing = closing
        self.options = method.options
        self._arrived: list[Update] = []
        self._ended, self._ended_s = NO_CAUSE, 0.0  # the row and time of the latest fold or dropout
        self._changed = self.world.clock.event()

    def device(self, device: DeviceEndpoint, update: Update) -> Process:
        """Yield the operations of the method's device."""
        return self.method.device(device, update.notes["round"])

    def server(self, server: ServerEndpoint, update: Update) -> Process:
        """Yield the operations of the method's server."""
        return self.method.server(server, update.notes["round"])

    def begin(self) -> None:
        """Begin the first round."""
        self.follow_presences()
        self.world.clock.process(self._rounds())

    def arrived(self, update: Update) -> Process:
        """Keep the update, and the client's permit, until the round closes."""
        update.taken = True
        self._arrived.append(update)
        self._wake()
        return
        yield

    def folding(self) -> tuple[Sequence[str], Aggregation]:
        """Return the parts that the method averages, and its aggregation."""
        return self.method.averaged, self.method.aggregation(self.method.options)

    def _dropped(self, client: int) -> None:
        """Let the method discard the update of a client that drops out."""
        update = self.working[client]
        rnd = update.notes["round"]
        self.method.drop(rnd, rnd.participants.index(client))
        self._end(update, None, None)
        self._release([update], update.device.last)
        self._wake()

    def _release(self, updates: Sequence[Update], row: int) -> None:
        """Free the clients for the next round."""
        clients = [update.client for update in updates]
        for client in clients:
            del self.working[client]
        self.permits.release(clients, row)
        self._ended, self._ended_s = row, self.world.clock.now

    def evaluated(self, rnd: Round) -> Sequence[tuple[StateKey, ...]]:
        """Return the method's models."""
        return self.method.evaluated(rnd)

    def _rounds(self) -> Process:
        for index in count():
            yield from self._begin_round(index)
            yield from self._wait()
            updates, self._arrived = self._arrived, []
            if updates:
                self._end_wait(updates[-1])
                yield self.aggregate(updates)
                last = updates[-1].server.last
                self.fold(sorted(updates, key=lambda update: update.number))
                self.last_fold = self._ended = last

    def _begin_round(self, index: int) -> Process:
        """Start the clients of a round; if no client is working or online, wait for one."""
        fleet, clock = self.world.fleet, self.world.clock
        fleet.busy = set(self.working)
        rnd, after = self.method.open_round(index), self._ended
        if not rnd.participants and not self.working:
            wait_s = fleet.wait_s(self.method.eligible(index))
            yield clock.timeout(wait_s) if wait_s < inf else clock.event()
            rnd = self.method.open_round(index)
        if rnd.participants and clock.now > self._ended_s:
            after = self._log_wait(self._ended_s, rnd.participants[0], after)
        self.permits.grant_to(rnd.participants)
        for client, chain in zip(rnd.participants, rnd.chains, strict=True):
            self.start(client, chain, after, round=rnd)

    def _wait(self) -> Process:
        """Wait until the round may close."""
        closing, clock = self.closing, self.world.clock
        deadline = (
            clock.event() if closing.deadline_s is None else clock.after_all(closing.deadline_s)
        )
        while len(self._arrived) < min(closing.first or inf, len(self.working)):
            if deadline.processed and len(self._arrived) >= closing.min_participants:
                break
            self._changed = clock.event()
            yield self._changed if deadline.processed else self._changed | deadline
        yield clock.after_all(0.0)  # clients that are done at this instant are not late

    def _end_wait(self, last: Update) -> None:
        """Log the time from the last arrival to the deadline."""
        assert last.uploaded_s is not None
        since = last.uploaded_s - self.world.clock.epoch_s
        if self.world.clock.now > since:
            last.server.last = self._log_wait(since, last.client, last.server.last)

    def _log_wait(self, since: float, client: int, cause: int) -> int:
        """Log the time up to now in which the server waited; return the row."""
        now = self.world.clock.now
        return self.world.log.add(
            Interval(since, now, SERVER, Phase.OFFLINE, client, Activity.OFFLINE, cause)
        )

    def _wake(self) -> None:
        if not self._changed.triggered:
            self._changed.succeed()

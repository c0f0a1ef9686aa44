"""The synchronous round of the split methods: all members run, then the server folds their weights."""

from abc import abstractmethod
from typing import Any

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.cluster import Cluster
from cutlayer.sim.methods.fold_work import fold_work
from cutlayer.sim.methods.members import Members
from cutlayer.sim.methods.method import Method, Process, Round


class SplitMethod(Method):
    """A synchronous round: both endpoints of every member run, then the server folds their weights.

    The fold is over the members that did not drop out; if all did, nothing changes.
    """

    @classmethod
    def check_dropout(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return None: every client has replicas of its own, so the others continue."""
        return None

    @classmethod
    def check_mixed_cuts(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return None: each block is folded over the members that trained it."""
        return None

    @classmethod
    def decided(cls, options: Any) -> frozenset[str]:  # noqa: ARG003
        """Return everything: members have replicas of their own, which are folded."""
        return frozenset({"cuts", "batch_sizes", "participants"})

    @classmethod
    def check_closing(cls, options: Any) -> str | None:
        """Return why a client cannot be left out, or that a method's own `wait` closes its rounds."""
        if cls.wait is not SplitMethod.wait:
            return f"{cls.name} decides itself when a round closes"
        return cls.check_dropout(options)

    @classmethod
    def check_late(cls, options: Any) -> str | None:  # noqa: ARG003
        """Return why late clients cannot finish in later rounds, or None if they can."""
        return None

    @property
    def averaged(self) -> tuple[str, ...]:
        """The parts of which every member trains a replica, and which are averaged: by default all."""
        return self.parts

    def open_round(self, index: int) -> Round:
        """Sample the clients; each trains its own replica of every part, and these are averaged."""
        return self.open_members(index, self.draw(index), Cluster())

    def draw(self, index: int) -> tuple[int, ...]:
        """Return the clients of a round."""
        return self.world.fleet.sample(index)

    def open_members(self, index: int, participants: tuple[int, ...], cluster: Cluster) -> Round:
        """Open the chains of these clients, which the server or an edge node averages."""
        states, at = cluster.states(*self.averaged), cluster.scheduled_at
        chains = tuple(
            self.chain(index, client, reads=states, averages=states, scheduled_at=at)
            for client in participants
        )
        return Round(index, "train", participants, chains)

    @abstractmethod
    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:
        """Yield the operations of a client's device in this round."""

    @abstractmethod
    def server(self, server: ServerEndpoint, rnd: Round) -> Process:
        """Yield the operations of the server for one client in this round."""

    def run_round(self, rnd: Round) -> Process:
        """Run both endpoints of every member, wait for them, and fold their weights."""
        members = self.start_members(rnd, self.device, self.server)
        yield from self.wait(rnd, members)
        if self.may_cancel:  # the members that were cancelled end now, and their running jobs later
            yield members.done
        work = fold_work(
            [server for server in members.servers if server.member not in rnd.dropped],
            self.averaged,
            self.aggregation(self.options),
        )
        if work is not None:
            last = members.last_member
            server = members.server_after_all(rnd.participants[0], last, rnd.chains[0])
            yield server.compute(work, Activity.AGGREGATE)

    def wait(self, rnd: Round, members: Members) -> Process:
        """Wait until the round may close: by default, for all members or for `training.closing`.

        A method that closes it earlier has to cancel the members that are not done.
        """
        closing, clock = self.world.closing, self.world.clock
        if closing is None:
            yield members.done
            return
        count = len(rnd.participants)
        closes = members.first(count if closing.first is None else closing.first)
        if closing.deadline_s is not None:
            quorum = members.first(closing.min_participants)
            closes |= clock.after_all(closing.deadline_s) & quorum
        yield closes
        yield clock.after_all(0.0)  # clients that are done at this instant are not late
        for member in members.unfinished:
            self.cancel(rnd, member)

"""The server's end of a client's round."""

from typing import Any

import simpy

from sim.compute import Work
from sim.learning import operations
from sim.learning.chain import Batch
from sim.log import SERVER, Kind, Label
from sim.sides.side import Side


class ServerSide(Side):
    """The server's replica for one client during a round."""

    kind = Kind.DOWNLINK

    def compute(self, work: Work, label: Label, value: Any = None) -> simpy.Event:
        """Queue for a slot and be busy there for `work`; the event's value is `value`."""
        job = _ServerJob(self, work, label)
        return self.world.server.submit(job, work.seconds, value)

    def serve(self, batch: Batch, upload: Any) -> simpy.Event:
        """Train the server block on an activation; value: the gradient to send back."""
        gradient = self.chain.do(operations.serve, upload)
        return self.compute(self.world.server_work.train(batch.size), Label.TRAIN, gradient)

    def learn(self, batch: Batch, upload: Any) -> simpy.Event:
        """Train the server block on an activation that needs no gradient."""
        self.chain.do(operations.learn, upload)
        return self.compute(self.world.server_work.learn(batch.size), Label.TRAIN)


class _ServerJob:
    """A job of the server's queue: logs its waiting and its running when it begins."""

    __slots__ = ("arrival", "label", "owner", "side", "work")

    def __init__(self, side: ServerSide, work: Work, label: Label) -> None:
        self.side = self.owner = side
        self.work = work
        self.label = label
        self.arrival = side.world.clock.now

    def began(self, now: float) -> None:
        """Log the interval in the queue, if there is one, and the interval on the slot."""
        side = self.side
        rows = side.world.rows
        slot = side.slot
        if now > self.arrival:
            rows.append(
                (
                    self.arrival,
                    now,
                    SERVER,
                    Kind.SERVER_QUEUE,
                    slot,
                    0,
                    0,
                    0.0,
                    self.label,
                    side.last,
                    0.0,
                    0,
                )
            )
            side.last = len(rows) - 1
        end = side.busy_until = now + self.work.seconds
        rows.append(
            (
                now,
                end,
                SERVER,
                Kind.SERVER_COMPUTE,
                slot,
                0,
                0,
                self.work.flops,
                self.label,
                side.last,
                0.0,
                0,
            )
        )
        side.last = len(rows) - 1

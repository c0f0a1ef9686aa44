"""The interfaces of a server's queue and of its jobs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import simpy

from cutlayer.sim.compute.stage import Work


class Job(Protocol):
    """A piece of work for the server. The queue calls `began` or `interleaved` once."""

    @property
    def owner(self) -> object:
        """The client's round that submitted the job."""

    @property
    def device(self) -> str:
        """The device of the client that submitted the job."""

    @property
    def work(self) -> Work:
        """What the job computes."""

    def began(self, now: float, seconds: float) -> None:
        """Record that the job has a slot of its own from `now` on, for `seconds`."""

    def interleaved(self, end: float, seconds: float) -> None:
        """Record that the job ends at `end`, after `seconds` of a slot's time."""


class ServerQueue(ABC):
    """S slots, and the jobs that wait for one. Running jobs are never interrupted.

    `slowness` is the time of a job on a slot over that of the profile: 1 if each slot has the device's
    full speed, S if the slots share it.
    """

    interleaves = False  # whether more jobs than slots may run at the same time

    def __init__(self, env: simpy.Environment, slots: int, slowness: float = 1.0) -> None:
        assert slots >= 1
        self.env = env
        self.slots = slots
        self.slowness = slowness

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether no job is running or waiting."""

    @abstractmethod
    def submit(self, job: Job, value: Any = None) -> simpy.Event:
        """Queue a job; the event succeeds with `value` when it is done."""

    @abstractmethod
    def withdraw(self, owner: object) -> None:
        """Take the waiting jobs of `owner` out of the queue; their events never happen."""

    def seconds(self, job: Job) -> float:
        """Return the seconds that a slot takes for a job alone."""
        return job.work.seconds * self.slowness


@dataclass(slots=True, eq=False)
class Waiting:
    """A job in the queue; with slots, because there may be very many."""

    job: Job
    value: Any
    done: simpy.Event

    def succeed(self, _: simpy.Event) -> None:
        """Trigger the job's event."""
        self.done.succeed(self.value)

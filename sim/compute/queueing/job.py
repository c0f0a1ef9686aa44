"""What a queue and its jobs promise one another."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import simpy

from cutlayer.sim.compute.roofline import Work


class Job(Protocol):
    """A piece of work for the server. It is told once, by `began` or by `interleaved`, how it runs."""

    @property
    def owner(self) -> object:
        """Whom the job is done for."""

    @property
    def device(self) -> str:
        """The device of the client for whom it is done."""

    @property
    def work(self) -> Work:
        """What there is to do."""

    def began(self, now: float, seconds: float) -> None:
        """Take note that the job has a slot for itself from `now` on, for `seconds`."""

    def interleaved(self, end: float, seconds: float) -> None:
        """Take note that the job is over at `end` and has had `seconds` of a slot's time by then."""


class ServerQueue(ABC):
    """S slots and those who wait for them. Jobs that run are never interrupted.

    `slowness` is how much longer a job takes on a slot than the profile says: 1 where each slot has
    the device's full speed, S where the slots share it.
    """

    interleaves = False  # whether more jobs than slots may be under way at the same time

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
        """Return how long a slot needs for a job alone."""
        return job.work.seconds * self.slowness


class Waiting:
    """A job in the queue; slotted, because there may be very many."""

    __slots__ = ("done", "job", "value")

    def __init__(self, job: Job, value: Any, done: simpy.Event) -> None:
        self.job = job
        self.value = value
        self.done = done

    def succeed(self, _: simpy.Event) -> None:
        """Tell whom it waited for."""
        self.done.succeed(self.value)

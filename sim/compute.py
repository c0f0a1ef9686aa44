"""Time on a processor: the roofline of a stage on a device profile, and the server as a queue.

    t(layer) = overhead + max(FLOPs / rate[class, pass, map size], bytes / bandwidth)

(`topologies.device` has it in full). A stage is a run of layers; its time is the sum over them. What is
not modelled: overlap of layers, caches (a rate is what the profile's source measured, caches included),
frequency changes.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, Protocol

import simpy

from models.operators import LayerCost
from topologies.device import FRESH_FROM_BYTES, DeviceProfile

Pass = Literal["forward", "backward"]

FLOAT_BYTES: Final = 4
READS_AND_WRITES: Final = 3  # of an optimiser step: read weight and gradient, write weight


@dataclass(frozen=True, slots=True)
class Work:
    """Something to compute: how long it takes (seconds) and how many FLOPs that is."""

    seconds: float
    flops: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.seconds + other.seconds, self.flops + other.flops)


NOTHING: Final = Work(0.0, 0.0)


class Stage:
    """A run of layers on one processor; gives the `Work` of each pass for a batch size."""

    def __init__(
        self, profile: DeviceProfile, layers: Iterable[LayerCost], state_slots: int = 0
    ) -> None:
        self.profile = profile
        self.layers = tuple(layers)
        self.state_slots = state_slots  # optimiser values per parameter: 1 momentum, 2 Adam
        self.parameters = sum(layer.parameters for layer in self.layers)
        self._known: dict[tuple[Pass, int], Work] = {}
        self.train = cache(self._train)

    def forward(self, batch_size: int) -> Work:
        """Return the forward pass over one batch."""
        return self._sum("forward", batch_size)

    def backward(self, batch_size: int) -> Work:
        """Return the backward pass over one batch: gradients of inputs and weights."""
        return self._sum("backward", batch_size)

    def step(self) -> Work:
        """Return one optimiser step: memory traffic over weights, gradients and optimiser state."""
        if self.parameters == 0:
            return NOTHING
        traffic = FLOAT_BYTES * self.parameters * (READS_AND_WRITES + 2 * self.state_slots)
        flops = 2.0 * self.parameters * (1 + self.state_slots)
        tensors = sum(layer.parameter_tensors for layer in self.layers)
        return Work(self.profile.optimiser_seconds(traffic, flops, tensors), flops)

    def _train(self, batch_size: int) -> Work:
        """Return forward, backward and step of one batch."""
        return self.forward(batch_size) + self.backward(batch_size) + self.step()

    def _sum(self, pass_: Pass, batch_size: int) -> Work:
        known = self._known.get((pass_, batch_size))
        if known is not None:
            return known
        seconds = flops = 0.0
        for layer in self.layers:
            seconds += layer_seconds(self.profile, layer, pass_, batch_size)
            flops += layer_flops(layer, pass_) * batch_size
        work = self._known[pass_, batch_size] = Work(seconds, flops)
        return work


def layer_flops(layer: LayerCost, pass_: Pass) -> float:
    """Return the FLOPs of one sample through `layer`."""
    return layer.forward_flops if pass_ == "forward" else layer.backward_flops


def layer_seconds(profile: DeviceProfile, layer: LayerCost, pass_: Pass, batch_size: int) -> float:
    """Return the time of one batch through `layer`, seconds (the roofline above)."""
    flops = layer_flops(layer, pass_) * batch_size
    if flops == 0:
        return 0.0
    times = 2 if pass_ == "backward" else 1  # activations and their gradients, weights and theirs
    made = (layer.output_bytes if pass_ == "forward" else layer.input_bytes) * batch_size
    return profile.seconds(
        layer.op_class,
        pass_,
        layer.map_size,
        flops,
        times * (layer.input_bytes + layer.output_bytes) * batch_size,
        times * layer.weight_bytes,
        made if made > FRESH_FROM_BYTES else 0.0,
    )


class Job(Protocol):
    """What the queue calls when a job is put on a slot: `began(now)`, before its time runs."""

    @property
    def owner(self) -> object:
        """Whom the job is done for."""

    def began(self, now: float) -> None:
        """Take note that the job leaves the queue at `now`."""


class ServerQueue:
    """S slots in front of one queue, first come first served; jobs are never interrupted."""

    def __init__(self, env: simpy.Environment, slots: int) -> None:
        assert slots >= 1
        self.env = env
        self.slots = slots
        self._free = slots
        self._queue: deque[_Waiting] = deque()

    @property
    def idle(self) -> bool:
        """Whether no job is running or waiting."""
        return self._free == self.slots

    def submit(self, job: Job, seconds: float, value: Any = None) -> simpy.Event:
        """Queue a job of `seconds`; the event succeeds with `value` when it is done."""
        if self._free:
            self._free -= 1
            job.began(self.env.now)
            timer = self.env.timeout(seconds, value)
            assert timer.callbacks is not None
            timer.callbacks.append(self._finish)
            return timer
        done = self.env.event()
        self._queue.append(_Waiting(job, seconds, value, done))
        return done

    def withdraw(self, owner: object) -> None:
        """Take the waiting jobs of `owner` out of the queue; their events never happen."""
        self._queue = deque(waiting for waiting in self._queue if waiting.job.owner is not owner)

    def _finish(self, _: simpy.Event) -> None:
        if not self._queue:
            self._free += 1
            return
        waiting = self._queue.popleft()
        waiting.job.began(self.env.now)
        timer = self.env.timeout(waiting.seconds)
        assert timer.callbacks is not None
        timer.callbacks.append(self._finish)
        timer.callbacks.append(waiting.succeed)


class _Waiting:
    """A job in the queue; slotted, because there may be very many."""

    __slots__ = ("done", "job", "seconds", "value")

    def __init__(self, job: Job, seconds: float, value: Any, done: simpy.Event) -> None:
        self.job = job
        self.seconds = seconds
        self.value = value
        self.done = done

    def succeed(self, _: simpy.Event) -> None:
        self.done.succeed(self.value)

"""Time on a processor: a stage, which is a run of layers on one device.

Its time is the sum over its layers (`cutlayer.topologies.layer_time`), without overlap.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from cutlayer.models.block_cost import FLOAT_BYTES, LayerCost
from cutlayer.models.features import PASSES, Pass, features
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.layer_time import LayerTime

READS_AND_WRITES: Final = 3  # of an optimizer step: read weight and gradient, write weight


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of computing: its time in seconds and its FLOPs.

    `overhead_s` is the part of its time that does not depend on the amount of computing.
    """

    seconds: float
    flops: float
    overhead_s: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        seconds, flops = self.seconds + other.seconds, self.flops + other.flops
        return Work(seconds, flops, self.overhead_s + other.overhead_s)


NO_WORK: Final = Work(0.0, 0.0)


def elementwise(profile: DeviceProfile, values: int, words: int, flops: int) -> Work:
    """Return one pass over `values` weights that moves `words` values and computes `flops` for each."""
    computed = float(values) * flops
    return Work(profile.optimizer_seconds(FLOAT_BYTES * float(values) * words, computed), computed)


class Stage:
    """A run of layers on one processor, with the `Work` of each pass by batch size.

    Backward computes the gradients of weights and, where they are needed, of inputs.
    """

    def __init__(
        self, profile: DeviceProfile, layers: Iterable[LayerCost], state_slots: int = 0
    ) -> None:
        self.profile = profile
        self.layers = tuple(layers)
        self.state_slots = state_slots  # optimizer values per parameter: 1 momentum, 2 Adam
        self.parameters = sum(layer.parameters for layer in self.layers)
        self._passes = {pass_: self._summed(pass_) for pass_ in PASSES}
        self.forward = cache(partial(self._pass, "forward"))
        self.backward = cache(partial(self._pass, "backward"))
        self.train = cache(self._train)

    def step(self) -> Work:
        """Return one optimizer step: memory traffic over weights, gradients and optimizer state."""
        if self.parameters == 0:
            return NO_WORK
        traffic = FLOAT_BYTES * self.parameters * (READS_AND_WRITES + 2 * self.state_slots)
        flops = 2.0 * self.parameters * (1 + self.state_slots)
        tensors = sum(layer.parameter_tensors for layer in self.layers)
        seconds = self.profile.optimizer_seconds(traffic, flops, tensors)
        overhead = 0.0 if self.profile.coarse else tensors * self.profile.optimizer_overhead_s
        return Work(seconds, flops, overhead)

    def _train(self, batch_size: int) -> Work:
        """Return forward, backward and step of one batch."""
        return self.forward(batch_size) + self.backward(batch_size) + self.step()

    def _summed(self, pass_: Pass) -> tuple[LayerTime, int]:
        """Return the time of a pass over all layers, and its FLOPs per sample."""
        time, flops = LayerTime(0.0, 0.0), 0
        for layer in self.layers:
            if found := features(layer, pass_):
                time, flops = time.plus(self.profile.time(found)), flops + found.flops
        return time, flops

    def _pass(self, pass_: Pass, batch_size: int) -> Work:
        time, flops = self._passes[pass_]
        return Work(time.seconds(batch_size), float(flops) * batch_size, time.overhead_s)

"""Time on a processor: the roofline of a stage on a device profile.

    t(layer) = overhead + max(FLOPs / rate[class, pass, map size], bytes / bandwidth)

(`cutlayer.topologies.device` has it in full, with the terms of a calibrated profile). A stage is a run
of layers; its time is the sum over them. Not modelled: overlap of layers, caches (rates are as the
profile's source measured them, caches included), frequency changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Literal

from cutlayer.models.block_cost import FLOAT_BYTES, LayerCost
from cutlayer.topologies.device import DeviceProfile

Pass = Literal["forward", "backward"]

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


class Stage:
    """A run of layers on one processor, with the `Work` of each pass by batch size."""

    def __init__(
        self, profile: DeviceProfile, layers: Iterable[LayerCost], state_slots: int = 0
    ) -> None:
        self.profile = profile
        self.layers = tuple(layers)
        self.state_slots = state_slots  # optimizer values per parameter: 1 momentum, 2 Adam
        self.parameters = sum(layer.parameters for layer in self.layers)
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

    def _pass(self, pass_: Pass, batch_size: int) -> Work:
        """Return one pass over a batch; backward gives the gradients of inputs and weights."""
        seconds = flops = 0.0
        for layer in self.layers:
            seconds += layer_seconds(self.profile, layer, pass_, batch_size)
            flops += layer_flops(layer, pass_) * batch_size
        kernels = sum(layer_flops(layer, pass_) > 0 for layer in self.layers)
        return Work(seconds, flops, kernels * self.profile.layer_overhead_s)


def layer_flops(layer: LayerCost, pass_: Pass) -> float:
    """Return the FLOPs of one sample through `layer`."""
    return layer.forward_flops if pass_ == "forward" else layer.backward_flops


def layer_seconds(profile: DeviceProfile, layer: LayerCost, pass_: Pass, batch_size: int) -> float:
    """Return the time of one batch through `layer`, seconds (the roofline above)."""
    flops = layer_flops(layer, pass_) * batch_size
    if flops == 0:
        return 0.0
    traffic = layer_traffic(layer, pass_, batch_size)
    return profile.seconds(layer.op_class, pass_, layer.map_size, flops, *traffic)


def layer_traffic(layer: LayerCost, pass_: Pass, batch_size: int) -> tuple[float, float]:
    """Return the bytes of activations and of weights that one batch touches.

    Backward touches both and their gradients.
    """
    times = 2 if pass_ == "backward" else 1
    activations = (layer.input_bytes + layer.output_bytes) * batch_size
    return times * activations, times * layer.weight_bytes

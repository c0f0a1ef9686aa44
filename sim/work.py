"""What a device or the server has to compute for each operation of a method, as `Work` by batch size."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from models.cost import BlockCost
from models.operators import LayerCost
from sim.compute import Stage, Work
from topologies.device import DeviceProfile

QUANTISE_FLOPS: Final = 3  # per value: magnitude for the maximum, scale, round
FLOAT_BYTES: Final = 4


class DeviceWork:
    """A device's operations on its device block (and auxiliary head, where the method has one)."""

    def __init__(
        self,
        profile: DeviceProfile,
        block: Sequence[BlockCost],
        head: BlockCost | None,
        activation_values: int,
        state_slots: int,
    ) -> None:
        self.profile = profile
        self.block = Stage(profile, layers_of(block), state_slots)
        self.head = Stage(profile, head.layers if head else (), state_slots)
        self.quantiser = Stage(profile, [quantiser_cost(activation_values)])
        # Asked for once per batch: remember the few batch sizes that occur.
        self.forward = cache(self._forward)
        self.backward = cache(self._backward)
        self.train = cache(self._train)
        self.infer = cache(self._infer)
        self.extract = cache(self._extract)

    def load(self, batch_size: int) -> Work:
        """Return the time that a batch costs beside its computing: the data loader, above all."""
        profile = self.profile
        return Work(profile.iteration_overhead_s + profile.loader_s_per_sample * batch_size, 0.0)

    def _forward(self, batch_size: int) -> Work:
        """Return loader and forward pass of the device block."""
        return self.load(batch_size) + self.block.forward(batch_size)

    def _backward(self, batch_size: int) -> Work:
        """Return backward pass and optimiser step of the device block."""
        return self.block.backward(batch_size) + self.block.step()

    def _train(self, batch_size: int) -> Work:
        """Return loader, forward, backward and step of device block and head."""
        return self.load(batch_size) + self.block.train(batch_size) + self.head.train(batch_size)

    def _infer(self, batch_size: int) -> Work:
        """Return loader and forward pass of device block and head."""
        return self._forward(batch_size) + self.head.forward(batch_size)

    def _extract(self, batch_size: int, bits: int | None) -> Work:
        """Return loader, forward pass of the frozen device block and quantisation."""
        work = self._forward(batch_size)
        return work if bits is None else work + self.quantiser.forward(batch_size)


class ServerWork:
    """The server's operations on its server block.

    `detached` is the server block's cost when nobody needs the gradient of its input.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        block: Sequence[BlockCost],
        detached: Sequence[BlockCost],
        state_slots: int,
    ) -> None:
        self.profile = profile
        self.train = Stage(profile, layers_of(block), state_slots).train
        self.learn = Stage(profile, layers_of(detached), state_slots).train

    def average(self, parameters: int, members: int) -> Work:
        """Return FedAvg's weighted sum over `members` copies of `parameters` weights."""
        flops = 2.0 * parameters * members
        traffic = FLOAT_BYTES * parameters * 2.0 * members  # the member and the sum so far
        return Work(self.profile.optimiser_seconds(traffic, flops), flops)


def layers_of(blocks: Sequence[BlockCost]) -> list[LayerCost]:
    """Return the layers of a run of blocks, in order."""
    return [layer for block in blocks for layer in block.layers]


def quantiser_cost(values: int) -> LayerCost:
    """Return the cost of quantising an activation of `values` fp32 values per sample to 8 bits."""
    return LayerCost(
        name="quantise",
        op_class="elementwise",
        map_size=1,
        forward_flops=QUANTISE_FLOPS * values,
        backward_flops=0,
        weight_bytes=0,
        input_bytes=FLOAT_BYTES * values,
        output_bytes=values,
        parameters=0,
    )

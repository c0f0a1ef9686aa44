"""The `Work` of each operation of a method on a device and on the server, by batch size."""

from collections.abc import Sequence
from functools import cache

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.models.quantise_cost import dequantise_costs, quantise_costs
from cutlayer.sim.codecs.codecs import Coding
from cutlayer.sim.compute.stage import Stage, Work, elementwise
from cutlayer.topologies.device import DeviceProfile


class CodecWork:
    """The encoding and decoding of messages on a device or the server."""

    def __init__(self, profile: DeviceProfile) -> None:
        self.profile = profile
        self.encoding = cache(self._encoding)
        self.decoding = cache(self._decoding)

    def _encoding(self, coding: Coding) -> Work:
        """Return the encoding of a batch."""
        return Stage(self.profile, coding.encoding).forward(1)

    def _decoding(self, coding: Coding) -> Work:
        """Return the decoding of a batch."""
        return Stage(self.profile, coding.decoding).forward(1)


class DeviceWork(CodecWork):
    """A device's operations on its device block (and auxiliary head, where the method has one)."""

    def __init__(
        self,
        profile: DeviceProfile,
        block: Sequence[BlockCost],
        head: BlockCost | None,
        activation_values: int,
        state_slots: int,
    ) -> None:
        super().__init__(profile)
        self.block = Stage(profile, layers_of(block), state_slots)
        self.head = Stage(profile, head.layers if head else (), state_slots)
        self._values = activation_values
        # Called once per batch, with few batch sizes.
        self.forward = cache(self._forward)
        self.backward = cache(self._backward)
        self.train = cache(self._train)
        self.train_aligned = cache(self._train_aligned)
        self.train_proximal = cache(self._train_proximal)
        self.infer = cache(self._infer)
        self.forward_frozen = cache(self._forward_frozen)

    def load(self, batch_size: int) -> Work:
        """Return the time of a batch besides its computing, mainly the data loader."""
        profile = self.profile
        return Work(profile.iteration_overhead_s + profile.loader_s_per_sample * batch_size, 0.0)

    def _forward(self, batch_size: int) -> Work:
        """Return loader and forward pass of the device block."""
        return self.load(batch_size) + self.block.forward(batch_size)

    def _backward(self, batch_size: int) -> Work:
        """Return backward pass and optimizer step of the device block."""
        return self.block.backward(batch_size) + self.block.step()

    def _train(self, batch_size: int) -> Work:
        """Return loader, forward, backward and step of device block and head."""
        return self.load(batch_size) + self.block.train(batch_size) + self.head.train(batch_size)

    def _train_aligned(self, batch_size: int) -> Work:
        """Return `train` without the step of the head, whose gradients only pass through it."""
        passes = self.head.forward(batch_size) + self.head.backward(batch_size)
        return self.load(batch_size) + self.block.train(batch_size) + passes

    def _train_proximal(self, batch_size: int) -> Work:
        """Return `train` with FedProx's term: the received weights are read once more, 3 FLOPs each."""
        return self._train(batch_size) + elementwise(self.profile, self.block.parameters, 1, 3)

    def _infer(self, batch_size: int) -> Work:
        """Return loader and forward pass of device block and head."""
        return self._forward(batch_size) + self.head.forward(batch_size)

    def _forward_frozen(self, batch_size: int, bits: int | None) -> Work:
        """Return loader, forward pass of the frozen device block and quantisation."""
        work = self._forward(batch_size)
        if bits is None:
            return work
        quantiser = Stage(self.profile, quantise_costs(self._values, bits))
        return work + quantiser.forward(batch_size)


class ServerWork(CodecWork):
    """The server's operations on its server block.

    `detached` is the cost of the server block without the gradient of its input. The server loads no
    data, but has the rest of a batch's overhead. `head` is the auxiliary head that it may align.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        block: Sequence[BlockCost],
        detached: Sequence[BlockCost],
        activation_values: int,
        state_slots: int,
        head: BlockCost | None = None,
    ) -> None:
        super().__init__(profile)
        self._head = Stage(profile, head.layers if head else (), state_slots)
        self._block = Stage(profile, layers_of(block), state_slots)
        self._detached = Stage(profile, layers_of(detached), state_slots)
        self._values = activation_values
        overhead = profile.iteration_overhead_s - profile.loader_s_per_iteration
        self._overhead = Work(overhead, 0.0, overhead)
        self.train = cache(self._train)
        self.train_detached = cache(self._train_detached)

    def _train(self, batch_size: int) -> Work:
        """Return forward, backward (down to the activation's gradient) and step."""
        return self._overhead + self._block.train(batch_size)

    def _train_detached(self, batch_size: int, bits: int | None = None) -> Work:
        """Return forward, backward and step on an activation that came in `bits`, or as floats."""
        work = self._overhead + self._detached.train(batch_size)
        if bits is None:
            return work
        dequantiser = Stage(self.profile, dequantise_costs(self._values, bits))
        return work + dequantiser.forward(batch_size)

    def gradient(self, batch_size: int) -> Work:
        """Return forward and backward (down to the activation's gradient), without a step."""
        return self._overhead + self._block.forward(batch_size) + self._block.backward(batch_size)

    def train_part(self, batch_size: int, *, steps: bool) -> Work:
        """Return forward and backward of a micro-batch, and the step if it is the last of its batch."""
        work = self.gradient(batch_size)
        return work + self._block.step() if steps else work

    def align(self, batch_size: int, epochs: int) -> Work:
        """Return the gradient of an activation, and `epochs` steps of the head towards it.

        A step differentiates the head's two passes once more: it takes three times their work.
        """
        passes = self._head.forward(batch_size) + self._head.backward(batch_size)
        step = passes + passes + passes + self._head.step()
        work = self.gradient(batch_size)
        for _ in range(epochs):
            work += step
        return work

    def generate(self, received: int, balanced: int) -> Work:
        """Return GAS's statistics of `received` activations, and a batch of `balanced` drawn from them.

        The statistics read each value twice; a drawn value takes a mean, a deviation and a product.
        Every sample of the batch counts as drawn. The generator of random numbers is not counted.
        """
        statistics = elementwise(self.profile, received * self._values, 2, 4)
        return statistics + elementwise(self.profile, balanced * self._values, 3, 2)

    def merge(self, samples: int) -> Work:
        """Return MergeSFL's copy of `samples` activations into one, and the scaling of gradients."""
        return elementwise(self.profile, samples * self._values, 4, 1)

    def mean_gradient(self, samples: int) -> Work:
        """Return a weighted sum of gradients, which have `samples` rows in all."""
        return elementwise(self.profile, samples * self._values, 2, 2)

    def train_aggregated(self, samples: int, members: int, rows: int, classes: int) -> Work:
        """Return EPSL's step on `samples` of `members`, with `rows` rows of each aggregated into one.

        Forward on all samples, the sums of activations and last-layer gradients, forward on the
        aggregated rows, backward on these and the rest, and the step.
        """
        if not rows:
            return self._train(samples)
        summed = members * rows * (self._values + classes)
        forward = self._block.forward(samples) + self._block.forward(rows)
        backward = self._block.backward(samples - (members - 1) * rows) + self._block.step()
        return self._overhead + forward + backward + elementwise(self.profile, summed, 2, 2)

    def fuse(self, parameters: int, members: int, replicas: int) -> Work:
        """Return SMoFi's mean of the momentum buffers of `members`, copied to `replicas`."""
        copies = elementwise(self.profile, parameters * replicas, 2, 0)
        return self.average(parameters, members) + copies

    def average(self, parameters: int, members: int) -> Work:
        """Return FedAvg's weighted sum over `members` copies of `parameters` weights."""
        each = 2 * members  # read a member and the sum so far; multiply and add
        return elementwise(self.profile, parameters, each, each)

    def step(self, parameters: int, words: int, flops: int) -> Work:
        """Return a server optimizer's step: `words` values moved and `flops` for each parameter."""
        return elementwise(self.profile, parameters, words, flops)


def layers_of(blocks: Sequence[BlockCost]) -> list[LayerCost]:
    """Return the layers of a run of blocks, in order."""
    return [layer for block in blocks for layer in block.layers]

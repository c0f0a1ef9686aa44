"""PiPar, pipelined split training (Zhang et al., JPDC 193, 2024).

Checked against blessonvar/PipeLearn (a53421e): a device runs its block forward on all micro-batches of a
batch, one after another, then backward on each as its gradient arrives; both blocks step once a batch.
"""

from math import ceil
from typing import Any, ClassVar

from pydantic import Field

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.scenarios.fields import Count
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.ends import ClientEndpoint
from cutlayer.sim.endpoints.micro_batch import micro_batches
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.methods.edge_options import SplitFedOptions
from cutlayer.sim.methods.method import MethodOptions, Process, Round, ServerLoad
from cutlayer.sim.methods.splitfed import SplitFed


class PiParOptions(SplitFedOptions):
    """The options of SplitFed, and the number of micro-batches."""

    micro_batches: Count = Field(
        4,
        description="parts into which a batch is cut, at most one per sample; 1: splitfed",
    )


class PiPar(SplitFed):
    """SplitFed whose batches are cut into micro-batches, so that computing and transfers overlap.

    Device, uplink, server and downlink work on different micro-batches at the same time. The gradients
    of a batch are summed before the one step of each block, so the weights are those of SplitFed. They
    are computed on whole batches: BatchNorm normalises over the batch, not over the micro-batch.
    """

    name = "pipar"
    summary = "splitfed with micro-batches: computing and transfers of a batch overlap (PiPar)"
    Options: ClassVar[type[MethodOptions]] = PiParOptions
    reusable = True

    options: PiParOptions

    @classmethod
    def server_batches(cls, options: Any, load: ServerLoad) -> list[int]:
        """Return the largest micro-batch of each participant, largest first."""
        return [
            ceil(size / options.micro_batches) for size in super().server_batches(options, load)
        ]

    @classmethod
    def server_keeps(cls, options: Any, load: ServerLoad) -> int:
        """Return the bytes of the micro-batches that wait while another of their batch is trained."""
        batches = super().server_batches(options, load)
        waiting = sum(batches) - sum(cls.server_batches(options, load))
        return waiting * (FLOAT_BYTES * load.values + load.label_bytes)

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning, which micro-batches do not."""
        kept = super().learning_options(options)
        return {name: value for name, value in kept.items() if name != "micro_batches"}

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Run all micro-batches of a batch forward, then backward in the order of their gradients."""
        self._overlap(device)
        trains = device.costs.parameters["device"] > 0
        yield from device.receive_weights()
        for batch in device.batches:
            parts = micro_batches(batch.size, self.options.micro_batches)
            for part in parts:
                activation = yield device.forward_part(batch, part)
                yield device.send(activation)
            for part in parts if trains else ():
                gradient = yield device.receive()
                yield device.backward_part(batch, part, gradient)
        yield from device.send_weights("device")

    def server(self, server: ServerEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Train on each micro-batch as it arrives, return its gradient, and step after the last."""
        self._overlap(server)
        trains = server.costs.parameters["device"] > 0
        yield from server.send_weights("device")
        for batch in server.batches:
            for part in micro_batches(batch.size, self.options.micro_batches):
                activation = yield server.receive()
                gradient = yield server.step_on_part(batch, part, activation)
                if trains:
                    yield server.send(gradient)
        yield from server.receive_weights()

    def _overlap(self, endpoint: ClientEndpoint) -> None:
        """Let an endpoint compute while the other micro-batches of a batch are sent."""
        count = self.options.micro_batches
        if count > 1:
            endpoint.outstanding_limit = max(endpoint.outstanding_limit, count + 1)

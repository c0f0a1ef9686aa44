"""FedAsync (Xie, Koyejo and Gupta, 2019, Algorithm 1): each update is mixed in as it arrives."""

from typing import ClassVar

from pydantic import Field

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.methods.asynchronous import AsyncMethod, AsyncOptions
from cutlayer.sim.methods.method import MethodOptions, Process
from cutlayer.sim.methods.update import Update
from cutlayer.sim.methods.whole_model import WholeModel


class FedAsyncOptions(AsyncOptions):
    """The mixing rate alpha and the weight rho of the proximal term."""

    rate: float = Field(
        0.6,
        gt=0,
        le=1,
        strict=False,
        description="share of a fresh update in the next version (alpha); 1: it replaces the model",
    )
    mu: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        strict=False,
        description="weight of the proximal term in each client's loss (rho); 0: none",
    )


class FedAsync(WholeModel, AsyncMethod):
    """Every client trains the whole model, and the server mixes each into its own: w + a s (w_k - w)."""

    name = "fedasync"
    summary = "the server mixes every model into its own as it arrives (FedAsync)"
    Options: ClassVar[type[MethodOptions]] = FedAsyncOptions
    keeps_received = True

    options: FedAsyncOptions

    def device(self, device: DeviceEndpoint, update: Update) -> Process:  # noqa: ARG002
        """Receive the model, train it on every batch, send it back."""
        yield from device.receive_weights()
        for batch in device.batches:
            yield device.train_proximal(batch, self.options.mu)
        yield from device.send_weights("device")

    def arrived(self, update: Update) -> Process:
        """Mix the client's model into the shared one. Stale updates have smaller weights."""
        yield self.aggregate([update])
        rate = self.options.rate * self.staleness_weight(update)
        self.fold([update], weights=[rate], total=1.0)

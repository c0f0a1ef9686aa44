"""FedProx (Li et al., MLSys 2020, Algorithm 2): FedAvg with a proximal term in each client's loss."""

from pydantic import Field

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.method import AveragingOptions, Process, Round


class FedProxOptions(AveragingOptions):
    """The weight of the proximal term."""

    mu: float = Field(
        0.01,
        ge=0,
        allow_inf_nan=False,
        strict=False,
        description="weight of the term mu/2 ||w - w_global||^2; 0: FedAvg",
    )


class FedProx(ClassicFL):
    """Classic FL whose clients are held near the weights that they received.

    The paper also lets stragglers do fewer epochs; here every client does all of them.
    """

    name = "fedprox"
    summary = "classic FL with a proximal term in each client's loss (FedProx)"
    Options = FedProxOptions
    keeps_received = True
    reusable = True

    options: FedProxOptions

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:  # noqa: ARG002
        """Receive the model, train it on every batch with the term, send it back."""
        yield from device.receive_weights()
        for batch in device.batches:
            yield device.train_proximal(batch, self.options.mu)
        yield from device.send_weights("device")

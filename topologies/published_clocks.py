"""Clocks of papers that are known to be wrong, as published, and the devices that keep their time.

Sources: the public code of GAS (github.com/eejiarong/GAS, 9f6e9b2), of SAFSL (github.com/amir-ndr/FLEXP,
eb56773) and of C-SFL (arXiv 2504.15724). docs/explanation/published-clocks.md has their effects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, Literal, Self

from cutlayer.errors import UserError
from cutlayer.models.features import PRODUCTS, Features
from cutlayer.topologies.device import OVERHEADS, DeviceProfile
from cutlayer.topologies.layer_time import LayerTime

FLOPS_PER_MAC: Final = 2
FREE: Final = LayerTime(0.0, 0.0)


class PricingError(UserError):
    """A published clock that cannot time a scenario: a figure that it needs is missing."""


@dataclass(frozen=True)
class PublishedClock:
    """What a paper's clock charges.

    `charged` is what a step of `devices` costs: the multiply-accumulates of the forward pass of one
    image, or of the batch; None: as physically. A MAC takes a FLOP of the device's one `speed`, or one
    cycle of its `frequency`. The `server` takes the same time, no time, or its physical time. Rates of
    links are multiplied by `rate_factor`; `downloads` may take no time.
    """

    mistake: str
    charged: Literal["image", "batch"] | None = None
    per: Literal["speed", "frequency"] = "speed"
    server: Literal["as devices", "free", "physical"] = "physical"
    downloads: bool = True
    rate_factor: float = 1.0


CLOCKS: Final[Mapping[str, PublishedClock]] = {
    "gas": PublishedClock(
        "a batch costs the multiply-accumulates of one image, and the server and all downloads take no"
        " time",
        charged="image",
        server="free",
        downloads=False,
    ),
    "safsl": PublishedClock(
        "a step costs the multiply-accumulates of its forward pass, one for each clock cycle",
        charged="batch",
        per="frequency",
        server="as devices",
    ),
    "c_sfl": PublishedClock(
        "megabytes are divided by megabits per second: transfers are 8 times too fast",
        rate_factor=8.0,
    ),
}


@dataclass(frozen=True, eq=False)
class PublishedDevice(DeviceProfile):
    """A device whose times are those of a published clock.

    A pass costs `image_s_per_flop` seconds for each FLOP of a single image, whatever the batch, and
    `s_per_flop` for each FLOP of each image. Only products of matrices (convolutions and linear layers)
    in the forward pass are charged.
    """

    s_per_flop: float = 0.0
    image_s_per_flop: float = 0.0

    @classmethod
    def of(cls, device: DeviceProfile, clock: PublishedClock) -> Self:
        """Return a device under a clock that charges computing. Raises PricingError."""
        seconds = 1 / (_rate(device, clock) * FLOPS_PER_MAC)
        priced = cls.free(device)
        if clock.charged == "image":
            return replace(priced, image_s_per_flop=seconds)
        return replace(priced, s_per_flop=seconds)

    @classmethod
    def free(cls, device: DeviceProfile) -> Self:
        """Return a device on which nothing takes time."""
        known = {field.name: getattr(device, field.name) for field in fields(DeviceProfile)}
        return cls(**(known | dict.fromkeys(OVERHEADS, 0.0)))

    def time(self, features: Features) -> LayerTime:
        """Return the time of one pass over a layer."""
        if features.pass_ == "backward" or features.op_class not in (*PRODUCTS, "depthwise"):
            return FREE
        return LayerTime(self.image_s_per_flop * features.flops, self.s_per_flop * features.flops)

    def optimizer_seconds(self, traffic_bytes: float, flops: float, tensors: int = 0) -> float:  # noqa: ARG002
        """Return 0: published clocks charge no optimizer steps, averages and quantisers."""
        return 0.0


def _rate(device: DeviceProfile, clock: PublishedClock) -> float:
    """Return the multiply-accumulates per second of a device. Raises PricingError."""
    if clock.per == "frequency":
        if device.clock_power is None:
            raise PricingError(
                f"charges clock cycles, and {device.name} has no frequency: give it"
                " power: {idle: ..., frequency: ..., kappa: ...}"
            )
        return device.clock_power.frequency_hz
    if not device.coarse:
        raise PricingError(
            f"charges one speed for every operation, and {device.name} has a profile: use a device"
            " with a speed"
        )
    return device.rate("conv", "forward")

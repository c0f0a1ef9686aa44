"""The form of the time of a layer on a device: a sum of amounts of work times their unit costs.

    t(layer, pass) = overhead + B x FLOPs / rate[class, pass] + B x activation bytes / memory bandwidth
                     + weight bytes / weight bandwidth
                     + B x streamed weight bytes / weight stream[pass]
                     + B x column bytes / columns[pass]

B is the batch size; `cutlayer.models.features` has the amounts. A multiply-accumulate is 2 FLOPs. The
last two terms describe CPU libraries that unfold a convolution and multiply matrices sample by sample:
they read the weights again for every sample. Where a library does not, these terms cost nothing.

Chosen by the errors on networks that were left out of the fit (docs/validation/device-form.md). Not
modelled: caches, overlap of layers, changes of the clock frequency, other load on the device.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cutlayer.models.features import Features, Pass


class PassRates(NamedTuple):
    """A rate per second of each pass."""

    forward: float
    backward: float

    def of(self, pass_: Pass) -> float:
        """Return the rate of a pass."""
        return self.forward if pass_ == "forward" else self.backward

    def scaled(self, forward: float, backward: float) -> "PassRates":
        """Return the rates times a factor for each pass."""
        return PassRates(self.forward * forward, self.backward * backward)


class Term(NamedTuple):
    """An amount of work whose unit cost is a `figure` of the device, named as in a profile file."""

    figure: str
    fixed: float
    per_sample: float


class LayerTime(NamedTuple):
    """Seconds of a pass: a fixed part, of which `overhead_s` is no work at all, and one per sample."""

    fixed_s: float
    per_sample_s: float
    overhead_s: float = 0.0

    def seconds(self, batch_size: int) -> float:
        """Return the seconds of a batch."""
        return self.fixed_s + self.per_sample_s * batch_size

    def plus(self, other: "LayerTime") -> "LayerTime":
        """Return the time of both, one after the other."""
        return LayerTime(*(one + more for one, more in zip(self, other, strict=True)))


OVERHEAD = "layer_overhead"


def terms(features: Features, rate_class: str) -> Iterator[Term]:
    """Yield the terms of one pass over a layer, whose rate is that of `rate_class`."""
    pass_ = features.pass_
    yield Term(OVERHEAD, 1, 0)
    yield Term(f"rates.{rate_class}.{pass_}", 0, features.flops)
    yield Term("memory_bandwidth", 0, features.activation_bytes)
    yield Term("weight_bandwidth", features.weight_bytes, 0)
    yield Term(f"weight_stream.{pass_}", 0, features.streamed_bytes)
    yield Term(f"columns.{pass_}", 0, features.column_bytes)


def layer_time(unit_costs: Mapping[str, float], features: Features, rate_class: str) -> LayerTime:
    """Return the time of a pass over a layer from the seconds per unit of each figure."""
    fixed = per_sample = 0.0
    for figure, once, each in terms(features, rate_class):
        fixed += once * unit_costs[figure]
        per_sample += each * unit_costs[figure]
    return LayerTime(fixed, per_sample, unit_costs[OVERHEAD])

"""The observations of the fit: sequences of layers, with the measured seconds of one pass over them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PASSES, Pass, features
from cutlayer.sim.calibrate.campaign import Measured
from cutlayer.sim.calibrate.probes import probe


@dataclass(frozen=True)
class Observation:
    """A pass over layers at a batch size, in `seconds`; its error is divided by `scale`.

    `whole` marks a pass over a whole model, not over one block.
    """

    layers: tuple[LayerCost, ...]
    pass_: Pass
    batch_size: int
    seconds: float
    scale: float
    whole: bool = False


@dataclass(frozen=True)
class StepObservation:
    """An optimizer step over `tensors` with `traffic_bytes` of memory traffic, in `seconds`."""

    traffic_bytes: float
    tensors: int
    seconds: float


STEP_WORDS = 5  # SGD with momentum: reads weight, gradient and momentum, writes weight and momentum
SMALL = 0.02  # fraction of the pass: errors of shorter blocks count less


def observations(measured: Measured) -> Iterator[Observation]:
    """Yield the passes over each block and over the whole model of every probe."""
    for (name, batch_size), timed in measured.probes.items():
        costs = probe_costs(name)
        totals = {pass_: timed.seconds(pass_) for pass_ in PASSES}
        for index, cost in enumerate(costs):
            for pass_, seconds in zip(totals, timed.block_seconds(index), strict=True):
                if seconds > 0 and any(features(layer, pass_) for layer in cost.layers):
                    scale = seconds + SMALL * totals[pass_]
                    yield Observation(cost.layers, pass_, batch_size, seconds, scale)
        everything = tuple(layer for cost in costs for layer in cost.layers)
        for pass_, seconds in totals.items():
            if seconds > 0:
                yield Observation(everything, pass_, batch_size, seconds, seconds / 2, whole=True)


def step_observations(measured: Measured) -> list[StepObservation]:
    """Return the optimizer steps of the probes."""
    steps = []
    for (name, _), timed in measured.probes.items():
        layers = [layer for cost in probe_costs(name) for layer in cost.layers]
        traffic = 4.0 * STEP_WORDS * sum(layer.parameters for layer in layers)
        tensors = sum(layer.parameter_tensors for layer in layers)
        steps.append(StepObservation(traffic, tensors, timed.seconds("step")))
    return [step for step in steps if step.seconds > 0]


@cache
def probe_costs(name: str) -> tuple[BlockCost, ...]:
    """Return the costs of a probe's blocks, without drawing weights."""
    with torch.device("meta"):
        return block_costs(probe(name))

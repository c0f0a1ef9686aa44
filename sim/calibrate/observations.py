"""What the fit sees: runs of layers, each with the seconds that one pass over them took."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.block_cost import LayerCost
from models.cost import block_costs
from sim.calibrate.campaign import Measured, Timed
from sim.calibrate.probes import probe
from sim.calibrate.worker import ProbeKey
from sim.compute import Pass, layer_flops


@dataclass(frozen=True)
class Observation:
    """A pass over some layers at a batch size took `seconds`; errors are measured by `scale`."""

    layers: tuple[LayerCost, ...]
    pass_: Pass
    batch_size: int
    seconds: float
    scale: float


@dataclass(frozen=True)
class StepObservation:
    """An optimiser step with so many bytes of traffic over so many tensors took `seconds`."""

    traffic_bytes: float
    tensors: int
    seconds: float


STEP_WORDS = 5  # SGD with momentum: reads weight, gradient and momentum, writes weight and momentum
SMALL = 0.02  # of the iteration: errors of blocks below this count less


def observations(measured: Measured) -> Iterator[Observation]:
    """Yield a block's and a whole iteration's passes for every probe."""
    costs = {name: block_costs(probe(name)) for name, _ in measured.probes}
    for (name, batch_size), timed in measured.probes.items():
        totals: dict[Pass, float] = {
            "forward": timed.seconds("forward"),
            "backward": timed.seconds("backward"),
        }
        for index, cost in enumerate(costs[name]):
            for pass_, seconds in zip(totals, timed.block_seconds(index), strict=True):
                if seconds > 0 and _works(cost.layers, pass_):
                    scale = seconds + SMALL * totals[pass_]
                    yield Observation(cost.layers, pass_, batch_size, seconds, scale)
        everything = tuple(layer for cost in costs[name] for layer in cost.layers)
        for pass_, seconds in totals.items():
            yield Observation(everything, pass_, batch_size, seconds, seconds / 2)


def step_observations(measured: Measured) -> list[StepObservation]:
    """Return the optimiser steps of the probes."""
    return [_step(key, timed) for key, timed in measured.probes.items()]


def rest_seconds(timed: Iterable[Timed]) -> list[float]:
    """Return what iterations took beside their passes."""
    return [one.seconds("rest") for one in timed]


def _step(key: ProbeKey, timed: Timed) -> StepObservation:
    layers = [layer for cost in block_costs(probe(key[0])) for layer in cost.layers]
    traffic = 4.0 * STEP_WORDS * sum(layer.parameters for layer in layers)
    tensors = sum(layer.parameter_tensors for layer in layers)
    return StepObservation(traffic, tensors, timed.seconds("step"))


def _works(layers: Iterable[LayerCost], pass_: Pass) -> bool:
    return any(layer_flops(layer, pass_) for layer in layers)

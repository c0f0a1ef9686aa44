"""Errors of a profile's predictions on held-out cases, and the noise of the measurements."""

import math
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median
from typing import Final

from cutlayer.models.block_cost import BlockCost
from cutlayer.models.cost import model_cost
from cutlayer.sim.calibrate.campaign import Measured, Timed
from cutlayer.sim.calibrate.held_out import Case
from cutlayer.sim.calibrate.observations import probe_costs
from cutlayer.sim.calibrate.probes import CLASSES
from cutlayer.sim.compute.stage import Stage
from cutlayer.topologies.device import DeviceProfile

MOMENTUM_SLOTS: Final = 1


@dataclass(frozen=True)
class CaseError:
    """A held-out case: measured and predicted seconds of an iteration.

    `noise` is the mean deviation of single passes from their median, as a fraction of it.
    `one_number_s` is the prediction of a profile with one speed for everything.
    """

    case: Case
    measured_s: float
    predicted_s: float
    noise: float
    one_number_s: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_s / self.measured_s - 1

    @property
    def one_number_error(self) -> float:
        """Relative error of a profile with one speed."""
        return self.one_number_s / self.measured_s - 1


def case_errors(profile: DeviceProfile, measured: Measured) -> list[CaseError]:
    """Return the errors of every held-out case, of `profile` and of a profile with one speed."""
    speed = one_speed(measured)
    return [
        CaseError(
            case,
            timed.seconds("total"),
            predicted_seconds(profile, case),
            noise(timed),
            flops_of(case) / speed,
        )
        for case, timed in measured.cases.items()
    ]


def mean_error(errors: list[CaseError]) -> float:
    """Return the mean of the absolute errors."""
    return fmean(abs(one.error) for one in errors)


def rms_error(errors: list[CaseError]) -> float:
    """Return the root of the mean square of the errors, as logarithms."""
    return math.sqrt(fmean(math.log1p(one.error) ** 2 for one in errors))


def predicted_seconds(profile: DeviceProfile, case: Case) -> float:
    """Return the seconds of an iteration: forward, backward, step, and the time between them."""
    return stage_of(profile, case).train(case.batch_size).seconds + profile.iteration_overhead_s


def noise(timed: Timed) -> float:
    """Return the mean deviation of the passes' medians from their median, as a fraction of it."""
    totals = timed.each("total")
    middle = median(totals)
    return fmean(abs(total / middle - 1) for total in totals)


def one_speed(measured: Measured) -> float:
    """Return the probes' median FLOP/s, the speed of a profile with one speed."""
    speeds = []
    for (name, batch_size), timed in measured.probes.items():
        flops = sum(cost.forward_flops + cost.backward_flops for cost in probe_costs(name))
        speeds.append(flops * batch_size / timed.seconds("total"))
    return median(speeds)


def flops_of(case: Case) -> float:
    """Return the FLOPs of a case's iteration, including its step."""
    return stage_of(DeviceProfile.from_speed("any", 1.0), case).train(case.batch_size).flops


@cache
def case_costs(model: str) -> tuple[BlockCost, ...]:
    """Return the block costs of a held-out model."""
    return model_cost(model, CLASSES)


def stage_of(profile: DeviceProfile, case: Case) -> Stage:
    """Return the layers of a case on a device."""
    costs = case_costs(case.model)
    parts = {"whole": costs, "front": costs[: case.cut], "back": costs[case.cut :]}
    layers = [layer for cost in parts[case.part] for layer in cost.layers]
    return Stage(profile, layers, MOMENTUM_SLOTS)

"""A synthetic machine that follows a known profile exactly, for calibration to recover."""

import torch

from cutlayer.sim.calibrate.campaign import Measured, Timed
from cutlayer.sim.calibrate.errors import case_costs
from cutlayer.sim.calibrate.held_out import Case
from cutlayer.sim.calibrate.observations import probe_costs
from cutlayer.sim.calibrate.probes import BATCHES, PROBES
from cutlayer.sim.calibrate.timing import BlockTimes, Passes
from cutlayer.sim.compute.stage import Stage
from cutlayer.sim.compute.work import layers_of
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.layer_time import PassRates

REST = 2e-4


def machine(**changes) -> DeviceProfile:
    """A profile whose rates differ by class and pass, and all of whose bandwidths cost time."""
    figures = {
        "name": "synthetic",
        "description": "",
        "rates": {
            "conv_input": PassRates(40e9, 30e9),
            "conv": PassRates(90e9, 70e9),
            "pointwise": PassRates(80e9, 55e9),
            "depthwise": PassRates(8e9, 5e9),
            "linear": PassRates(50e9, 45e9),
            "norm": PassRates(3e9, 4e9),
            "elementwise": PassRates(2e9, 3e9),
            "pool": PassRates(1e9, 2e9),
        },
        "memory_bandwidth_bytes_per_s": 8e9,
        "optimizer_bytes_per_s": 12e9,
        "layer_overhead_s": 3e-5,
        "iteration_overhead_s": REST,
        "loader_s_per_iteration": 0.0,
        "memory_bytes": 2**30,
        "weight_bytes_per_s": 5e9,
        "weight_stream_bytes_per_s": PassRates(20e9, 9e9),
        "column_bytes_per_s": PassRates(6e9, 10e9),
        "optimizer_overhead_s": 1e-5,
        "loader_s_per_sample": 1e-5,
    }
    return DeviceProfile(**(figures | changes))


def measured_on(profile: DeviceProfile, cases: tuple[Case, ...], noise: float = 0.0) -> Measured:
    """The measurements of a campaign on the machine, each with a relative error of up to `noise`."""
    generator = torch.Generator().manual_seed(0)

    def seen(seconds: float) -> float:
        return seconds * (1 + noise * (2 * float(torch.rand((), generator=generator)) - 1))

    found = Measured()
    for name in PROBES:
        blocks = [Stage(profile, cost.layers, 1) for cost in probe_costs(name)]
        for batch in BATCHES:
            forward = [stage.forward(batch).seconds for stage in blocks]
            backward = [stage.backward(batch).seconds for stage in blocks]
            step = sum(stage.step().seconds for stage in blocks)
            timed = found.probes.setdefault((name, batch), Timed())
            passes = Passes(seen(sum(forward)), seen(sum(backward)), seen(step), REST)
            timed.passes.append([passes])
            times = BlockTimes(tuple(map(seen, forward)), tuple(map(seen, backward)))
            timed.blocks.append([times])
    for case in cases:
        costs = case_costs(case.model)
        parts = {"whole": costs, "front": costs[: case.cut], "back": costs[case.cut :]}
        stage = Stage(profile, layers_of(parts[case.part]), 1)
        passes = Passes(
            stage.forward(case.batch_size).seconds,
            stage.backward(case.batch_size).seconds,
            stage.step().seconds,
            REST,
        )
        found.cases.setdefault(case, Timed()).passes.append([passes])
    return found

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
from cutlayer.topologies.device import DeviceProfile, RateTable

REST = 2e-4


def machine(**changes) -> DeviceProfile:
    """A profile whose rates differ by class, pass and map, and whose bandwidths all limit some layer."""
    dense = RateTable(
        {2: 30e9, 4: 60e9, 8: 90e9, 16: 80e9, 32: 70e9},
        {2: 20e9, 4: 50e9, 8: 70e9, 16: 75e9, 32: 60e9},
    )
    figures = {
        "name": "synthetic",
        "description": "",
        "rates": {
            "conv_input": RateTable.flat(40e9, 30e9),
            "conv": dense,
            "conv_wide": dense.scaled(0.7, 0.6),
            "pointwise": dense.scaled(0.9, 0.8),
            "depthwise": dense.scaled(0.1, 0.08),
            "linear": RateTable.flat(50e9, 45e9),
            "norm": RateTable.flat(3e9, 4e9),
            "elementwise": RateTable.flat(2e9, 3e9),
            "pool": RateTable.flat(1e9, 2e9),
        },
        "memory_bandwidth_bytes_per_s": 8e9,
        "optimizer_bytes_per_s": 12e9,
        "layer_overhead_s": 3e-5,
        "iteration_overhead_s": REST,
        "loader_s_per_iteration": 0.0,
        "memory_bytes": 2**30,
        "weight_bytes_per_s": 5e9,
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

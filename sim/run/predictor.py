"""Prediction of a client's round without contention for its links and the server.

The round is simulated without tensors in a separate world, so that a prediction has the sizes, times and
delays of the simulation. Clients with equal timing share one prediction.
"""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.world import assemble
from cutlayer.sim.control.controller import PredictedRound
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.log.record import RoundRecord
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.run.one_round import play_round


class Predictor:
    """Predicts the rounds of single clients under a method, with the rates at the start of a run.

    A prediction is the mean over the types of rounds in a cycle (EcoFed's period). Clients are always
    online.
    """

    def __init__(self, plan: Plan, entry: MethodEntry) -> None:
        self._plan = plan
        self._entry = entry
        self._method, self._options = options_of(entry)
        self._world: World | None = None
        self._known: dict[Hashable, PredictedRound] = {}

    def __call__(self, client: int, cut: int) -> PredictedRound:
        """Return the prediction for a client at a cut."""
        world = self._ready()
        of = world.fleet.clients[client]
        key = of.timing_class, of.batch_sizes, cut
        if key not in self._known:
            world.fleet.cuts, world.fleet.participants = {client: cut}, (client,)
            method = self._method(world, self._options)
            records = [_played(method, index) for index in range(method.cycle(self._options))]
            self._known[key] = _mean(records)
            if not world.constant_rates:
                self._world = None  # its clock has moved
        return self._known[key]

    def _ready(self) -> World:
        if self._world is None:
            plan, name = self._plan, self._entry.name
            world = assemble(plan, self._method, name, self._options).world
            world.fleet = replace(world.fleet, presences={})
            self._world = replace(world, closing=None)
        return self._world


def _played(method: Method, index: int) -> RoundRecord:
    world = method.world
    record = play_round(method, method.open_round(index))
    world.clock.rebase(record.duration_s)
    world.learning.close_round()
    return record


def _mean(records: list[RoundRecord]) -> PredictedRound:
    def mean(values: list[Any]) -> float:
        return float(np.mean(values))

    return PredictedRound(
        seconds=mean([record.duration_s for record in records]),
        computing_s=mean([record.device_busy_s.sum() for record in records]),
        up_s=mean([_seconds(record, Phase.UPLINK) for record in records]),
        down_s=mean([_seconds(record, Phase.DOWNLINK) for record in records]),
        server_s=mean([_seconds(record, Phase.SERVER_COMPUTE) for record in records]),
        up_bytes=round(mean([record.wire_up.sum() for record in records])),
        down_bytes=round(mean([record.wire_down.sum() for record in records])),
        device_flops=mean([_flops(record, Phase.DEVICE_COMPUTE) for record in records]),
        server_flops=mean([_flops(record, Phase.SERVER_COMPUTE) for record in records]),
    )


def _seconds(record: RoundRecord, phase: Phase) -> float:
    return float(record.intervals.duration[_rows(record, phase)].sum())


def _flops(record: RoundRecord, phase: Phase) -> float:
    return float(record.intervals.flops[_rows(record, phase)].sum())


def _rows(record: RoundRecord, phase: Phase) -> NDArray[np.bool_]:
    """Return the rows of a phase, without the fold of the weights, which belongs to no client."""
    log = record.intervals
    rows: NDArray[np.bool_] = log.of(phase) & (log.activity != Activity.AGGREGATE.value)
    return rows

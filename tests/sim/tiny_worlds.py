"""Worlds with simple numbers, in which every duration can be worked out by hand.

A sample costs (FLOPs forward / backward) 100 / 200 in the device block, 300 / 600 in the server block
(500 without the gradient of its input), 10 / 20 in the auxiliary head. They have 50, 80 and 5 parameters
in 3, 4 and 2 tensors; momentum makes an optimizer step 4 FLOPs a parameter. An activation has 4 values a
sample, an image 4 bytes, and there are 3 classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from small_scenarios import STAR, read

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.models.outline import ModelOutline
from cutlayer.models.spec import ModelSpec
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.world import assemble
from cutlayer.sim.data.datasets import only_declared
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.log.intervals import SERVER, Activity, Phase
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.methods.registry import method as find_method
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import KeptRound
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.stop_condition import StopCondition
from cutlayer.sim.run.windows import make_engine
from cutlayer.topologies import (
    AccessLink,
    Branch,
    Clients,
    Computer,
    DeviceProfile,
    Server,
    Stations,
    Topology,
    star,
    tiers,
    wifi_cell,
)

DEVICE, UP, QUEUE, SERVE, DOWN = (
    Phase.DEVICE_COMPUTE,
    Phase.UPLINK,
    Phase.SERVER_QUEUE,
    Phase.SERVER_COMPUTE,
    Phase.DOWNLINK,
)


IN_ROUNDS = [name for name, known in METHODS.items() if not known.asynchronous]


@dataclass(frozen=True)
class Device:
    """A client: FLOP/s, samples, and its own link (bytes/s, bytes/s, seconds)."""

    speed: float = 1000.0
    samples: int = 3
    up: float = 1000.0
    down: float = 2000.0
    delay: float = 0.5
    loader: float = 0.0


@dataclass(frozen=True)
class Cell:
    """One half-duplex medium instead of own links; without a `rate`, the stations share its airtime.

    Then each station's own rate is its device's `up`.
    """

    rate: float | None
    delay: float


@dataclass(frozen=True)
class Edge:
    """An edge node with the next `clients` clients: FLOP/s, slots, and its link to the server.

    Without a speed it only forwards.
    """

    clients: int
    speed: float | None = 5000.0
    slots: int = 1
    up: float = 4000.0
    down: float = 8000.0
    delay: float = 0.25


def block(name: str, forward: int, backward: int, parameters: int, tensors: int) -> BlockCost:
    layer = LayerCost(name, "linear", forward, backward, 4 * parameters, 16, 16, parameters)
    return BlockCost(name, (layer,), parameters, tensors, 4 * parameters, (4,), (4,), 16, 16, 16)


class Outline(ModelOutline):
    """Two blocks and a head, with the costs above."""

    def detached_blocks(self, cut: int) -> tuple[BlockCost, ...]:
        return (self.blocks[0], block("server", 300, 500, 80, 4))[cut:]

    def head(self, cut: int) -> BlockCost:
        return block("head", 10, 20, 5, 2)


OUTLINE = Outline(
    spec=ModelSpec("tiny", classes=3, input_shape=(1, 2, 2)),
    feature_blocks=1,
    min_batch=1,
    shapes=((1, 2, 2), (4,), (4,)),
    blocks=(block("device", 100, 200, 50, 3), block("server", 300, 600, 80, 4)),
)


@dataclass(frozen=True)
class Shards:
    """The number of samples of each client."""

    sizes: tuple[int, ...]


@cache
def scenario(*overrides: str) -> Scenario:
    return read(STAR, "training.optimizer.momentum=0.9", *overrides).scenario


def topology_of(
    devices: Sequence[Device], server: Server, cell: Cell | None, edges: Sequence[Edge] = ()
) -> Topology:
    profiles = []
    for i, device in enumerate(devices):
        profile = DeviceProfile.from_speed(f"device-{i}", device.speed)
        profiles.append(profile.with_loader(device.loader) if device.loader else profile)
    if cell is None:
        groups = [
            Clients(profile, 1, AccessLink(device.up, device.down, device.delay), f"c{i}")
            for i, (profile, device) in enumerate(zip(profiles, devices, strict=True))
        ]
        return (
            tiers(server=server, branches=branches_of(groups, edges))
            if edges
            else star(server=server, clients=groups)
        )
    stations = [
        Stations(profile, 1, device.up if cell.rate is None else None, f"c{i}")
        for i, (profile, device) in enumerate(zip(profiles, devices, strict=True))
    ]
    return wifi_cell(
        server=server, stations=stations, delay_s=cell.delay, rate_bytes_per_s=cell.rate
    )


def branches_of(groups: Sequence[Clients], edges: Sequence[Edge]) -> list[Branch]:
    """Return the edge nodes e0, e1, ... with their clients."""
    branches, first = [], 0
    for i, edge in enumerate(edges):
        computer = None
        if edge.speed is not None:
            computer = Computer(DeviceProfile.from_speed(f"edge-{i}", edge.speed), edge.slots)
        link = AccessLink(edge.up, edge.down, edge.delay)
        behind = groups[first : first + edge.clients]
        branches.append(Branch(1, link, behind, name=f"e{i}", computer=computer))
        first += edge.clients
    assert first == len(groups), "every client is behind an edge node"
    return branches


def make_method(
    method: str | type[Method],
    devices: Sequence[Device],
    *,
    options: dict[str, Any] | None = None,
    presences: Mapping[int, Presence] = MappingProxyType({}),
    server_speed: float = 10_000.0,
    slots: int = 1,
    cell: Cell | None = None,
    edges: Sequence[Edge] = (),
    batch_size: int = 2,
    epochs: int = 1,
    outstanding: int = 1,
    clients_per_round: int | None = None,
    seed: int = 0,
) -> Method:
    """Return a method in a world of these devices, built with the same code as that of a scenario."""
    method_class = find_method(method) if isinstance(method, str) else method
    count, samples = len(devices), tuple(device.samples for device in devices)
    plan = Plan(
        scenario(
            f"topology.star.clients.0.count={count}",
            f"training.clients_per_round={clients_per_round or count}",
            f"training.batch_size={batch_size}",
            f"training.local_epochs={epochs}",
            f"training.uploads_outstanding={outstanding}",
        ),
        seed,
        OUTLINE,
        replace(only_declared((1, 2, 2), 3, sum(samples)), checksum="tiny"),
        Shards(samples),
        topology_of(
            devices,
            Server(DeviceProfile.from_speed("server", server_speed), slots),
            cell,
            edges,
        ),
    )
    playing = assemble(
        plan, method_class, method_class.name, method_class.Options(**(options or {}))
    )
    playing.world.fleet.presences = presences
    return playing


def played(method: Method, rounds: int = 1, **engine: Any) -> MethodResult:
    """Run rounds with all checks of the engine, and return the result with all intervals."""
    result = MethodResult(method.name, method.name, 0, ())
    running = make_engine(method, result, keep_all=True, **engine)
    running.run(StopCondition(rounds), RoundProgress())
    running.finish()
    return result


def play(
    method: str, devices: Sequence[Device], *, rounds: int = 1, **world: Any
) -> list[KeptRound]:
    """Run the method's rounds one by one, with all checks of the engine, and return them."""
    return played(make_method(method, devices, **world), rounds, reuse=False).kept


def drawn(kept: KeptRound) -> list[tuple[float, float, str, str, int, int]]:
    """Return a round's intervals as (start, end, phase, activity, member, wire bytes), in order."""
    rows = kept.record.intervals
    members = np.where(rows.actor >= 0, rows.actor, rows.peer)
    return sorted(
        (float(s), float(e), Phase(k).name, Activity(x).name, int(member), int(b))
        for s, e, k, x, member, b in zip(
            rows.start, rows.end, rows.phase, rows.activity, members, rows.wire_bytes, strict=True
        )
    )


def rows_of(kept: KeptRound, *activities: Activity) -> list[tuple[Any, ...]]:
    """Return the rows of some activities in a round, or all rows, as logged; times are approximate."""
    log = kept.record.intervals
    return [
        (
            Phase(log.phase[i]).name,
            Activity(log.activity[i]).name,
            pytest.approx(float(log.start[i])),
            pytest.approx(float(log.end[i])),
            int(log.wire_bytes[i]),
            int(log.dropped[i]),
        )
        for i in range(len(log))
        if not activities or log.activity[i] in activities
    ]


Bar = tuple[Phase, Activity, int, float, float, int]


def assert_chart(kept: KeptRound, bars: Sequence[Bar], duration_s: float) -> None:
    """Check that the log holds these bars (phase, activity, member, start, end, bytes) and no others."""

    def order(bar: tuple[Any, ...]) -> tuple[Any, ...]:
        start, end, *rest = bar
        return (*rest, round(start, 6), round(end, 6))

    expected = sorted(
        ((s, e, k.name, x.name, member, b) for k, x, member, s, e, b in bars), key=order
    )
    logged = sorted(drawn(kept), key=order)
    assert [bar[2:] for bar in logged] == [bar[2:] for bar in expected]
    for bar, wanted in zip(logged, expected, strict=True):
        assert abs(bar[0] - wanted[0]) < 1e-9, (bar, wanted)
        assert abs(bar[1] - wanted[1]) < 1e-9, (bar, wanted)
    assert abs(kept.record.duration_s - duration_s) < 1e-9
    rows = kept.record.intervals
    from_device = (rows.phase == DEVICE) | (rows.phase == UP)
    online = rows.phase != Phase.OFFLINE
    assert ((rows.actor >= 0) == from_device)[online].all()
    assert (rows.peer[rows.phase == UP] == SERVER).all()
    assert (rows.peer[rows.phase == DEVICE] == rows.actor[rows.phase == DEVICE]).all()


def assert_rows(kept: KeptRound, expected: Sequence[tuple[Any, ...]], duration_s: float) -> None:
    """Check all rows: (phase, activity, actor, peer, start, end, bytes), to 1e-9 s."""
    log = kept.record.intervals
    columns = log.phase, log.activity, log.actor, log.peer, log.start, log.end, log.wire_bytes
    found = sorted(zip(*(column.tolist() for column in columns), strict=True))
    for row, wanted in zip(found, sorted(expected), strict=True):
        assert row[:4] + row[6:] == wanted[:4] + wanted[6:]
        assert row[4:6] == pytest.approx(wanted[4:6], abs=1e-9)
    assert kept.record.duration_s == pytest.approx(duration_s, abs=1e-9)


class Pen:
    """Draws consecutive bars: each begins where the last one ended."""

    def __init__(self, member: int, at: float = 0.0) -> None:
        self.member = member
        self.now = at
        self.bars: list[Bar] = []

    def bar(self, phase: Phase, activity: Activity, seconds: float, wire_bytes: int = 0) -> "Pen":
        start, self.now = self.now, self.now + seconds
        self.bars.append((phase, activity, self.member, start, self.now, wire_bytes))
        return self

    def gap(self, seconds: float) -> "Pen":
        self.now += seconds
        return self

    def until(self, time: float) -> "Pen":
        assert time >= self.now - 1e-12
        self.now = time
        return self

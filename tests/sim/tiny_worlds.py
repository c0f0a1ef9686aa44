"""Worlds with round numbers, in which every duration can be worked out by hand.

A sample costs (FLOPs forward / backward) 100 / 200 in the device block, 300 / 600 in the server block
(500 without the gradient of its input), 10 / 20 in the auxiliary head. They have 50, 80 and 5 parameters
in 3, 4 and 2 tensors; momentum makes an optimizer step 4 FLOPs a parameter. An activation has 4 values a
sample, an image 4 bytes, and there are 3 classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from cutlayer.models.block_cost import BlockCost, LayerCost
from cutlayer.sim.clock import Clock
from cutlayer.sim.compute.queueing import FirstComeFirstServed
from cutlayer.sim.compute.work import DeviceWork, ServerWork
from cutlayer.sim.endpoints.world import Client, World, plan_batches
from cutlayer.sim.learning.digest import node
from cutlayer.sim.learning.layer import Learning
from cutlayer.sim.learning.recipe import Optimizer, Recipe, Schedule
from cutlayer.sim.log.intervals import SERVER, Activity, Phase
from cutlayer.sim.log.link_use import ClientRoutes
from cutlayer.sim.methods.registry import method as find_method
from cutlayer.sim.network import Network
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import KeptRound
from cutlayer.sim.run.engine import Engine, RoundProgress, StopCondition
from cutlayer.topologies import (
    AccessLink,
    Clients,
    DeviceProfile,
    Server,
    Stations,
    star,
    wifi_cell,
)

DEVICE, UP, QUEUE, SERVE, DOWN = (
    Phase.DEVICE_COMPUTE,
    Phase.UPLINK,
    Phase.SERVER_QUEUE,
    Phase.SERVER_COMPUTE,
    Phase.DOWNLINK,
)


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
    """One half-duplex medium instead of own links; without a `rate` stations share its airtime.

    Then each station's own rate is its device's `up`.
    """

    rate: float | None
    delay: float


def block(name: str, forward: int, backward: int, parameters: int, tensors: int) -> BlockCost:
    layer = LayerCost(name, "linear", 1, forward, backward, 4 * parameters, 16, 16, parameters)
    return BlockCost(name, (layer,), parameters, tensors, 4 * parameters, (4,), (4,), 16, 16, 16)


DEVICE_BLOCK = block("device", 100, 200, 50, 3)
SERVER_BLOCK = block("server", 300, 600, 80, 4)
DETACHED = block("server", 300, 500, 80, 4)
HEAD = block("head", 10, 20, 5, 2)
CUTS = {"classic_fl": 2, "centralised": 0}


def profile(device: Device, name: str) -> DeviceProfile:
    made = DeviceProfile.from_speed(name, device.speed)
    return made.with_loader(device.loader) if device.loader else made


def make_world(
    method: str,
    devices: Sequence[Device],
    *,
    server_speed: float = 10_000.0,
    slots: int = 1,
    cell: Cell | None = None,
    batch_size: int = 2,
    epochs: int = 1,
    outstanding: int = 1,
    clients_per_round: int | None = None,
    seed: int = 0,
) -> World:
    """Return a world for `method` (which decides where the model is cut)."""
    cut = CUTS.get(method, 1)
    server = Server(DeviceProfile.from_speed("server", server_speed), slots)
    profiles = [profile(d, f"device-{i}") for i, d in enumerate(devices)]
    if cell is None:
        links = [AccessLink(d.up, d.down, d.delay) for d in devices]
        groups = [
            Clients(p, 1, k, f"c{i}") for i, (p, k) in enumerate(zip(profiles, links, strict=True))
        ]
        topology = star(server=server, clients=groups)
    else:
        own = [d.up if cell.rate is None else None for d in devices]
        stations = [
            Stations(p, 1, r, f"c{i}") for i, (p, r) in enumerate(zip(profiles, own, strict=True))
        ]
        topology = wifi_cell(
            server=server, stations=stations, delay_s=cell.delay, rate_bytes_per_s=cell.rate
        )
    clock = Clock()
    ups = [topology.route(client, "server") for client in topology.clients]
    downs = [topology.route("server", client) for client in topology.clients]
    network = Network(clock, topology.resources, [*ups, *downs])
    blocks, detached = [DEVICE_BLOCK, SERVER_BLOCK], [DEVICE_BLOCK, DETACHED]
    head = HEAD if method in ("local_loss", "fedgkt") else None
    clients = []
    for i, device in enumerate(devices):
        batches = plan_batches(device.samples, batch_size, epochs, 1)
        clients.append(
            Client(
                index=i,
                name=f"c{i}",
                work=DeviceWork(profiles[i], blocks[:cut], head, 4, 1),
                samples=device.samples,
                batches=batches,
                first_epoch=batches[: len(batches) // epochs],
                batch_sizes=tuple(batch.size for batch in batches),
                up=i,
                down=len(ups) + i,
                up_delay_s=ups[i].delay_s,
                down_delay_s=downs[i].delay_s,
                timing_class=topology.route_class(f"c{i}"),
            )
        )
    recipe = Recipe(
        seed=seed,
        model="tiny",
        input_shape=(1, 2, 2),
        classes=3,
        cut=cut,
        data="tiny",
        partition={},
        augment={},
        batch_size=batch_size,
        local_epochs=epochs,
        min_batch=1,
        optimizer=Optimizer("sgd", 0.1, momentum=0.9),
        schedule=Schedule(),
        method=method,
        options={},
    )
    parts = {"device": blocks[:cut], "server": blocks[cut:], "head": [head] if head else []}
    return World(
        clock=clock,
        network=network,
        server=FirstComeFirstServed(clock, slots),
        clients=clients,
        clients_per_round=clients_per_round or len(devices),
        server_work=ServerWork(server.device, blocks[cut:], detached[cut:], 4, 1),
        learning=Learning(
            recipe,
            {part: node("initial", part, []) for part in parts},
            lambda client: node("shard", client, []),
            None,
        ),
        seed=seed,
        input_shape=(1, 2, 2),
        activation_shape=(4,),
        classes=3,
        parameters={part: sum(b.parameters for b in costs) for part, costs in parts.items()},
        tensors={part: sum(b.parameter_tensors for b in costs) for part, costs in parts.items()},
        pooled_batches=plan_batches(sum(d.samples for d in devices), batch_size, epochs, 1),
        framing=1.0,
        uploads_outstanding=outstanding,
        rows=[],
        client_routes=ClientRoutes([r.resources for r in ups], [r.resources for r in downs]),
    )


def play(
    method: str,
    devices: Sequence[Device],
    *,
    rounds: int = 1,
    options: dict[str, Any] | None = None,
    **world: Any,
) -> list[KeptRound]:
    """Run the method's rounds one by one, with all checks of the engine, and return them."""
    found = find_method(method)
    made = make_world(method, devices, **world)
    result = MethodResult(method, method, 0, ())
    engine = Engine(
        found(made, found.Options(**(options or {}))), result, reuse=False, keep_all=True
    )
    engine.run(StopCondition(rounds), RoundProgress())
    engine.finish()
    return result.kept


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
    found = sorted(drawn(kept), key=order)
    assert [bar[2:] for bar in found] == [bar[2:] for bar in expected]
    for bar, wanted in zip(found, expected, strict=True):
        assert abs(bar[0] - wanted[0]) < 1e-9, (bar, wanted)
        assert abs(bar[1] - wanted[1]) < 1e-9, (bar, wanted)
    assert abs(kept.record.duration_s - duration_s) < 1e-9
    rows = kept.record.intervals
    from_device = (rows.phase == DEVICE) | (rows.phase == UP)
    assert ((rows.actor >= 0) == from_device).all()
    assert (rows.peer[rows.phase == UP] == SERVER).all()
    assert (rows.peer[rows.phase == DEVICE] == rows.actor[rows.phase == DEVICE]).all()


class Pen:
    """Draws bars one after the other: each begins where the last one ended."""

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

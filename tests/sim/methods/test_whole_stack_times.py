"""Units through the whole stack; a slower or busier network never makes a round shorter."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import simpy
from small_scenarios import PLAIN, scenario
from tiny_worlds import IN_ROUNDS, Cell, Device, play

from cutlayer import run
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.network import Network
from cutlayer.streams import generator
from cutlayer.topologies import AccessLink, Clients, DeviceProfile, Server, parse_rate, star

OPTIONS = {"ecofed": {"init": "random"}}


def kept_round(loaded, label: str, index: int = 0):
    (result,) = run(loaded, executor="none")
    return result.methods[label].kept[index]


def test_one_megabyte_over_8_mbit_per_second_takes_one_second():
    link = AccessLink(parse_rate("8 Mbit/s"), parse_rate("1 MB/s"), 0.0)
    device = DeviceProfile.from_speed("any", 1.0)
    topology = star(server=Server(device), clients=[Clients(device, 1, link, "client")])
    env = simpy.Environment()
    ends = [("client", "server"), ("server", "client")]
    network = Network(env, topology.resources, [topology.route(*pair) for pair in ends])
    flows = [network.start(route, 1_000_000) for route in (0, 1)]
    env.run(until=env.all_of([flow.done for flow in flows]))
    assert env.now == flows[0].finish_s == flows[1].finish_s == 1.0


def test_8_mbit_per_second_send_a_million_bytes_per_second(tmp_path):
    loaded = scenario(tmp_path, PLAIN + "methods: [splitfed]\n")
    rows = kept_round(loaded, "splitfed").record.intervals
    up, down = rows.phase == Phase.UPLINK, rows.phase == Phase.DOWNLINK
    activation = 30 // 3 * (4 * 32 * 16 * 16 + 8) + 755
    assert rows.wire_bytes[up & (rows.activity == Activity.ACTIVATION)].tolist() == [activation] * 3
    np.testing.assert_allclose(rows.duration[up], rows.wire_bytes[up] / 1e6, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rows.duration[down], rows.wire_bytes[down] / 2e6, rtol=0, atol=1e-12)


def test_1_gflop_per_second_computes_a_billion_flops_per_second(tmp_path):
    """SplitFed on VGG5 at cut 1; the FLOPs of its first block are worked out by hand."""
    loaded = scenario(tmp_path, PLAIN + "methods: [splitfed]\n")
    rows = kept_round(loaded, "splitfed").record.intervals
    values = 32 * 32 * 32
    conv, parameters = 2 * 27 * values, 32 * 28 + 64
    forward = 10 * (conv + 7 * values + values)
    backward = 10 * (conv + 10 * values + values // 4) + 4 * parameters
    for activity, flops in ((Activity.FORWARD, forward), (Activity.BACKWARD, backward)):
        chosen = rows.activity == activity
        assert rows.flops[chosen].tolist() == [flops] * 3
        np.testing.assert_allclose(rows.duration[chosen], flops / 1e9, rtol=0, atol=1e-12)


def test_a_whole_round_of_classic_fl_from_text_to_seconds(tmp_path):
    loaded = scenario(tmp_path, PLAIN + "methods: [classic_fl]\n")
    conv = (884_736, 4_718_592, 2_359_296)  # multiply-accumulates
    fc = (524_288, 1_280)
    maps = (32_768, 16_384, 4_096)  # values of each conv block before pooling
    forward = 2 * (sum(conv) + sum(fc)) + 7 * sum(maps) + 32_768 + 16_384 + 128
    backward = 2 * (884_736 + 2 * (sum(conv[1:]) + sum(fc)))
    backward += 10 * sum(maps) + (32_768 + 16_384) // 4 + 128
    train = (10 * (forward + backward) + 4 * 582_346) / 1e9
    message = 4 * 582_346 + 163 + 315 * 16
    average = 2 * 582_346 / 100e9
    record = kept_round(loaded, "classic_fl").record
    assert record.wire_up.tolist() == record.wire_down.tolist() == [message]
    expected = message / 2e6 + 0.02 + 3 * train + message / 1e6 + 0.02 + average
    assert record.duration_s == pytest.approx(expected, abs=1e-9)


def test_the_server_has_the_slots_of_the_scenario(tmp_path):
    """Three equal clients submit jobs at once: those without a slot wait."""
    waiting = []
    for slots in (1, 2, 3):
        text = PLAIN.replace("slots: 4", f"slots: {slots}").replace("count: 1", "count: 3")
        loaded = scenario(tmp_path, text + "methods: [local_loss]\n", "data.partition={sizes: 10}")
        rows = kept_round(loaded, "local_loss").record.intervals
        waiting.append(int((rows.phase == Phase.SERVER_QUEUE).sum()))
    assert waiting == [2, 1, 0]


def worlds(seed: int, count: int):
    """Draw clients of unequal speed, shard and link."""
    stream = generator(seed, "worlds")
    return [
        Device(
            speed=float(stream.uniform(200, 4000)),
            samples=int(stream.integers(1, 9)),
            up=float(stream.uniform(200, 2000)),
            down=float(stream.uniform(200, 4000)),
            delay=float(stream.uniform(0, 0.5)),
        )
        for _ in range(count)
    ]


def duration(method: str, devices, **world) -> float:
    return play(method, devices, rounds=2, options=OPTIONS.get(method), **world)[
        -1 if method == "ecofed" else 0
    ].record.duration_s


@pytest.mark.parametrize("method", [name for name in IN_ROUNDS if name != "splitfed_v2"])
@pytest.mark.parametrize("outstanding", [1, 2])
def test_a_worse_link_never_makes_a_round_shorter(method, outstanding):
    """With own links, and a slot for each client.

    The clients of SplitFed v2 take turns on one server block, as jobs on a shared machine do: another
    order of their turns can make a round shorter.
    """
    for seed in range(3):
        devices = worlds(seed, 3)
        before = duration(method, devices, slots=3, outstanding=outstanding)
        for member, change in itertools.product(range(3), ("up", "down", "delay")):
            factor = 2 if change == "delay" else 0.5
            value = getattr(devices[member], change) * factor
            worse = [*devices]
            worse[member] = replace(devices[member], **{change: value})
            after = duration(method, worse, slots=3, outstanding=outstanding)
            assert after >= before - 1e-9, (seed, member, change)
        all_worse = [replace(d, up=d.up / 2, down=d.down / 2, delay=d.delay * 2) for d in devices]
        after = duration(method, all_worse, slots=3, outstanding=outstanding)
        assert after > before


@pytest.mark.parametrize("method", IN_ROUNDS)
def test_a_slower_medium_never_makes_a_round_of_two_shorter(method):
    """With two clients, none has more than half the medium's rate for longer than before."""
    for seed in range(4):
        devices = worlds(seed, 2)
        before = duration(method, devices, slots=2, cell=Cell(800.0, 0.1))
        assert duration(method, devices, slots=2, cell=Cell(400.0, 0.1)) > before
        assert duration(method, devices, slots=2, cell=Cell(800.0, 0.2)) >= before - 1e-9


@pytest.mark.parametrize("method", IN_ROUNDS)
@pytest.mark.parametrize("cell", [None, Cell(800.0, 0.1)])
def test_a_second_client_never_makes_a_round_shorter(method, cell):
    for seed in range(4):
        first, second = worlds(seed, 2)
        alone = duration(method, [first], cell=cell)
        assert duration(method, [first, second], cell=cell) >= alone - 1e-9
        assert duration(method, [second, first], cell=cell) >= alone - 1e-9


@pytest.mark.parametrize("method", IN_ROUNDS)
def test_slower_processors_never_make_a_round_of_one_shorter(method):
    for seed in range(4):
        (device,) = worlds(seed, 1)
        before = duration(method, [device])
        assert duration(method, [replace(device, speed=device.speed / 2)]) >= before
        assert duration(method, [device], server_speed=5000) > before

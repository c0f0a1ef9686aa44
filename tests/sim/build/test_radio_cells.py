"""Radio cells in scenarios: the rates of their links, their sharing and fading, and bad values."""

import math

import numpy as np
import pytest
from command_line import assert_refused
from simpy import Environment

from cutlayer import load_scenario, run
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.network import Network
from cutlayer.sim.results.method import MethodResult
from cutlayer.streams import generator
from cutlayer.topologies import Topology

SCENARIO = """
name: cell
data: {{dataset: digits, partition: {{sizes: 10}}}}
model: {{name: lenet, cut: 1}}
training: {{rounds: 3, batch_size: 10, optimizer: {{name: sgd, lr: 0.01}}}}
devices: {{phone: {{speed: 2 GFLOP/s, power: {{idle: 1 W, compute: 3 W}}}}}}
{more}
topology:
  {kind}:
    server: {{device: server-8-core, slots: 1}}
    {cell}
methods: [{methods}]
"""
CELL = """delay: 5 ms
    noise: 3.981e-21 W/Hz
    path_loss: {{log_distance: {{at_1_km: 128.1 dB, per_decade: 37.6 dB}}}}
    fading: {fading}
    up: {{bandwidth: 10 MHz, share: {up}}}
    down: {{bandwidth: 20 MHz, share: {down}, power: 1 W}}
    clients:
      - {{device: phone, name: near, count: 2, distance: 100 m, power: 200 mW}}
      - {{device: phone, name: far, distance: 1 km, power: 23 dBm}}"""


@pytest.fixture
def scenario(tmp_path):
    def load(
        cell: str = CELL,
        *,
        kind: str = "radio_cell",
        methods: str = "splitfed",
        more: str = "",
        **settings: str,
    ) -> Scenario:
        chosen = {"fading": "none", "up": "each", "down": "each"} | settings
        path = tmp_path / "cell.yaml"
        text = SCENARIO.format(kind=kind, cell=cell.format(**chosen), methods=methods, more=more)
        path.write_text(text, encoding="utf-8")
        return load_scenario(path).scenario

    return load


def shannon(bandwidth_hz: float, power_w: float, distance_m: float) -> float:
    """B log2(1 + P g / (N0 B)) in bytes/s, computed in decibels."""
    received_dbm = 10 * math.log10(power_w * 1000) - 128.1 - 37.6 * math.log10(distance_m / 1000)
    noise_dbm = 10 * math.log10(3.981e-21 * bandwidth_hz * 1000)
    return bandwidth_hz * math.log2(1 + 10 ** ((received_dbm - noise_dbm) / 10)) / 8


def rates(topology: Topology, direction: str) -> list[float]:
    return [topology.links[f"{name}.{direction}"].rate_bytes_per_s for name in topology.clients]


DISTANCES = (100, 100, 1000)
POWERS = (0.2, 0.2, 10 ** (2.3 - 3))


def test_each_client_has_the_bandwidth_for_itself(scenario):
    topology = make_topology(scenario())
    assert topology.clients == ("near-0", "near-1", "far")
    expected = [shannon(10e6, p, d) for p, d in zip(POWERS, DISTANCES, strict=True)]
    assert rates(topology, "up") == pytest.approx(expected)
    assert rates(topology, "down") == pytest.approx([shannon(20e6, 1, d) for d in DISTANCES])
    assert topology.route("far", "server").delay_s == 0.005
    assert topology.profiles == {}


def test_a_band_is_divided_equally_or_in_proportion(scenario):
    topology = make_topology(scenario(up="equal", down="{equal: {parts: 2}}"))
    expected = [shannon(10e6 / 3, p, d) for p, d in zip(POWERS, DISTANCES, strict=True)]
    assert rates(topology, "up") == pytest.approx(expected)
    assert rates(topology, "down") == pytest.approx([shannon(10e6, 1, d) for d in DISTANCES])
    topology = make_topology(scenario(up="{proportional: distance}"))
    expected = [shannon(10e6 * d / 1200, p, d) for p, d in zip(POWERS, DISTANCES, strict=True)]
    assert rates(topology, "up") == pytest.approx(expected)


@pytest.mark.parametrize("general", [False, True])
def test_a_band_shared_max_min_gives_equal_rates_to_those_that_send(scenario, general):
    topology = make_topology(scenario(up="max_min"))
    routes = [topology.route(client, "server") for client in topology.clients]
    env = Environment()
    network = Network(env, topology.resources, routes, general=general)
    flows = [network.start(index, 1e9) for index in range(3)]
    env.run(until=1.0)
    network.check_allocation()
    alone = [shannon(10e6, p, d) for p, d in zip(POWERS, DISTANCES, strict=True)]
    equal = 1 / sum(1 / rate for rate in alone)
    assert [network.rate(flow) for flow in flows] == pytest.approx([equal] * 3)
    network.cancel(flows[2])
    env.run(until=2.0)
    assert network.rate(flows[0]) == pytest.approx(alone[0] / 2)


DRAWN = """delay: 0 ms
    noise: -174 dBm/Hz
    path_loss: {{power_law: {{at_1_m: 1.0e-6, exponent: 1.3}}}}
    up: {{bandwidth: 1 MHz, share: each}}
    down: {{bandwidth: 1 MHz, share: each, power: 1 W}}
    clients:
      - device: phone
        count: {count}
        distance: {{uniform: {{least: 100 m, most: 1 km}}}}
        power: {{uniform: {{least: 100 mW, most: 200 mW}}}}"""


def test_places_and_powers_depend_only_on_the_seed_and_the_client(scenario):
    few, many = (make_topology(scenario(DRAWN, count=count), 5) for count in ("3", "9"))
    assert rates(few, "up") == rates(many, "up")[:3]
    assert len(set(rates(many, "up"))) == 9
    other = make_topology(scenario(DRAWN, count="3"), 6)
    assert not {*rates(few, "up")} & {*rates(other, "up")}
    power = generator(5, "transmit power", "phone-1").uniform(0.1, 0.2)
    device = few.node("phone-1").device
    assert device is not None
    assert device.power_w["send"] == pytest.approx(1 + power)


def test_cells_have_backhauls_and_draws_of_their_own(scenario):
    body = DRAWN.replace("\n", "\n      ")
    cells = f"cells:\n      - radio:\n          count: 2\n          backhaul: 4g\n          {body}"
    topology = make_topology(scenario(cells, kind="cells", count="2"))
    assert topology.clients[::2] == ("radio-cell-0.phone-0", "radio-cell-1.phone-0")
    assert len(set(rates(topology, "up"))) == 4
    assert topology.route(topology.clients[0], "server").delay_s == 0.025


def test_scale_and_changes_apply_to_radio_links(scenario):
    plain = make_topology(scenario())
    scaled = make_topology(scenario(more="scale: {links: 2}"))
    assert rates(scaled, "up") == pytest.approx([2 * rate for rate in rates(plain, "up")])
    more = "changes: [{at: 60 s, clients: far, up: 1 Mbit/s}]\nscale: {links: 2}"
    changed = make_topology(scenario(more=more, fading="rayleigh")).profiles["far.up"].of_run()
    assert changed.by_round
    changed.begin_round(4, 10.0)
    gain = generator(0, "fading", "far.up", 4).standard_exponential()
    faded = shannon(10e6, POWERS[2] * gain, 1000)
    assert changed.piece(20.0) == (pytest.approx(2 * faded), 60.0)
    assert changed.piece(60.0)[0] == 250_000


def speeds_of_rounds(method: MethodResult) -> dict[tuple[int, str], set[float]]:
    """The rates in kept rounds, bytes/s, by round and link, from the log's bytes and seconds."""
    found: dict[tuple[int, str], set[float]] = {}
    for kept in method.kept:
        rows = kept.record.intervals
        for row in np.flatnonzero(rows.wire_bytes):
            up = rows.actor[row] >= 0
            client = kept.participants[rows.actor[row] if up else rows.peer[row]]
            rate = float(rows.wire_bytes[row] / (rows.end[row] - rows.start[row]))
            link = f"{client}.{'up' if up else 'down'}"
            found.setdefault((kept.index, link), set()).add(float(f"{rate:.6g}"))
    return found


@pytest.mark.parametrize("method", ["splitfed", "{ecofed: {init: random}}", "classic_fl"])
def test_each_round_has_its_own_gain_in_each_direction(scenario, tmp_path, method):
    scenario(fading="rayleigh", methods=method)
    (result,) = run(load_scenario(tmp_path / "cell.yaml"), executor="none", log="events")
    (played,) = result.methods.values()
    speeds = speeds_of_rounds(played)
    assert {index for index, _ in speeds} == {0, 1, 2}
    for (index, link), seen in speeds.items():
        client, direction = link.split(".")
        at = 2 if client == "far" else 0
        width, power = (10e6, POWERS[at]) if direction == "up" else (20e6, 1.0)
        gain = generator(0, "fading", link, index).standard_exponential()
        expected = shannon(width, power * gain, DISTANCES[at])
        assert [*seen] == pytest.approx([expected] * len(seen), rel=1e-4)
    assert played.reused_rounds == 0


def test_an_update_of_an_asynchronous_method_has_its_own_gain(scenario, tmp_path):
    scenario(fading="rayleigh", methods="fedasync")
    (result,) = run(load_scenario(tmp_path / "cell.yaml"), executor="none", log="events")
    method = result.methods["fedasync"]
    ups = {
        rate
        for (_, link), seen in speeds_of_rounds(method).items()
        if link == "near-0.up"
        for rate in seen
    }
    drawn = [generator(0, "fading", "near-0.up", n).standard_exponential() for n in range(40)]
    possible = [shannon(10e6, 0.2 * gain, 100) for gain in drawn]
    assert ups
    assert all(any(abs(rate / one - 1) < 1e-5 for one in possible) for rate in ups)


def test_methods_of_one_run_do_not_share_what_has_been_drawn(scenario, tmp_path):
    scenario(fading="rayleigh", methods="splitfed, classic_fl")
    (both,) = run(load_scenario(tmp_path / "cell.yaml"), executor="none")
    scenario(fading="rayleigh", methods="classic_fl")
    (alone,) = run(load_scenario(tmp_path / "cell.yaml"), executor="none")
    digests = [result.methods["classic_fl"].event_digest for result in (both, alone)]
    assert digests[0] == digests[1]
    capacity_s = alone.methods["classic_fl"].capacity_s["far.up"]
    ends = [row.virtual_time_s for row in alone.methods["classic_fl"].rounds]
    gains = [generator(0, "fading", "far.up", n).standard_exponential() for n in range(3)]
    drawn = [shannon(10e6, POWERS[2] * gain, 1000) for gain in gains]
    lengths = [ends[0], ends[1] - ends[0], ends[2] - ends[1]]
    expected = sum(rate * length for rate, length in zip(drawn, lengths, strict=True))
    assert capacity_s == pytest.approx(expected)


def test_energy_by_frequency_is_kappa_f_squared_for_each_cycle(scenario, tmp_path):
    power = "{idle: 0 W, frequency: 1 GHz, kappa: 1e-28 W/Hz^3, send: 0 W}"
    scenario(more="speeds: [{clients: far, uniform: 0.5}]")
    path = tmp_path / "cell.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("{idle: 1 W, compute: 3 W}", power)
    path.write_text(text, encoding="utf-8")
    (result,) = run(load_scenario(path), executor="none")
    use = result.methods["splitfed"].devices["near-0"]
    cycles = 1e9 * use.compute_s
    assert use.energy_j == pytest.approx(1e-28 * 1e9**2 * cycles)
    factor = 1 + 0.5 * (2 * generator(0, "speed", 2).random() - 1)
    use = result.methods["splitfed"].devices["far"]
    cycles = 1e9 * factor * use.compute_s
    assert use.energy_j == pytest.approx(1e-28 * (1e9 * factor) ** 2 * cycles)


BAD = [
    ("bandwidth: 10 MHz", "bandwidth: 10 Mbit/s", "up.bandwidth", "not a unit of a frequency"),
    ("share: each}", "share: tdma}", "up.share", "has the unknown choice"),
    ("distance: 1 km", "distance: 1 kg", "clients.1.distance", "not a unit of a distance"),
    (
        "distance: 1 km",
        "distance: {uniform: {least: 2 km, most: 1 km}}",
        "clients.1.distance.uniform",
        "must have its least below its most",
    ),
    ("power: 23 dBm", "power: 0 W", "clients.1.power", "must be greater than 0"),
    ("noise: 3.981e-21 W/Hz", "noise: -174 dBm", "noise", "not a unit of a noise density"),
    ("noise: 3.981e-21 W/Hz", "noise: -174 dB/Hz", "noise", "not a unit of a noise density"),
    ("per_decade: 37.6 dB", "per_decade: -37.6 dB", "path_loss", "per_decade above 0 dB"),
    (
        "fading: none",
        "fading: rayleigh",
        "radio_cell",
        "has fading, which a band shared max_min cannot have: share down each, equal or",
    ),
]


@pytest.mark.parametrize(("old", "new", "path", "complaint"), BAD)
def test_a_bad_value_is_one_message(scenario, tmp_path, cli, old, new, path, complaint):
    scenario(down="max_min")
    file = tmp_path / "cell.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    answer = cli("run", str(file), "--executor", "none")
    assert_refused(answer, path, complaint)
    assert answer.err.count("cell.yaml:") == 1


@pytest.mark.parametrize(
    ("power", "complaint"),
    [
        ("{idle: 1 W}", "needs either compute, or frequency and kappa"),
        ("{idle: 1 W, frequency: 1 GHz}", "needs frequency and kappa together"),
        (
            "{idle: 1 W, compute: 2 W, frequency: 1 GHz, kappa: 1e-28 W/Hz^3}",
            "needs either compute, or frequency and kappa",
        ),
        ("{idle: 1 W, frequency: 1 GHz, kappa: 1e-28}", "has no unit"),
    ],
)
def test_a_bad_power_is_one_message(scenario, tmp_path, cli, power, complaint):
    scenario()
    file = tmp_path / "cell.yaml"
    text = file.read_text(encoding="utf-8").replace("{idle: 1 W, compute: 3 W}", power)
    file.write_text(text, encoding="utf-8")
    answer = cli("run", str(file), "--executor", "none")
    assert_refused(answer, "devices.phone.power", complaint)


def test_a_scenario_is_written_back_with_the_same_numbers(scenario):
    first = scenario(fading="rayleigh", up="equal")
    assert Scenario.model_validate({**first.written(), "methods": first.methods}) == first

"""Radio channels against hand formulas and an independent integration; units; what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from cutlayer.streams import generator
from cutlayer.topologies.builders.draft import Server
from cutlayer.topologies.builders.radio import RadioCell, RadioClients, radio_cell
from cutlayer.topologies.catalogue import device
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.parts import TopologyError
from cutlayer.topologies.radio.band import Band
from cutlayer.topologies.radio.channel import RadioChannel
from cutlayer.topologies.radio.draws import Disc, Uniform
from cutlayer.topologies.radio.fading import Rayleigh
from cutlayer.topologies.radio.path_loss import LogDistance, PowerLaw
from cutlayer.topologies.radio.units import (
    parse_decibels,
    parse_frequency,
    parse_kappa,
    parse_length,
    parse_noise_density,
    parse_transmit_power,
)
from cutlayer.topologies.units import QuantityError

MACRO = LogDistance(128.1, 37.6)
NOISE = 3.981e-21  # W/Hz, as in GAS
# Mbit/s of the twenty clients in a run of GAS, as in the shipped gas_fleet.
GAS_RATES = (25.9, 65.0, 48.2, 41.9, 68.4, 85.5, 34.4, 66.3, 41.7, 9.9)
GAS_RATES += (15.6, 15.1, 23.9, 14.3, 13.6, 8.7, 11.2, 84.0, 13.3, 49.8)


def of_gas(distance_m: float) -> RadioChannel:
    return RadioChannel(10e6, 0.2, MACRO.gain(distance_m), NOISE)


def test_units_are_converted_to_si():
    assert parse_frequency("10 MHz") == 1e7
    assert parse_length("0.25 km") == 250
    assert parse_transmit_power("200 mW") == 0.2
    assert parse_transmit_power("23 dBm") == pytest.approx(0.19953, rel=1e-4)
    assert parse_transmit_power("-10 dBm") == pytest.approx(1e-4)
    assert parse_noise_density("-174 dBm/Hz") == pytest.approx(NOISE, rel=1e-4)
    assert parse_noise_density("3.981e-21 W/Hz") == NOISE
    assert parse_decibels("-3 dB") == -3
    assert parse_kappa("1e-28 W/Hz^3") == 1e-28


@pytest.mark.parametrize(
    ("parse", "text", "complaint"),
    [
        (parse_frequency, "10 Mhz", "'Mhz' in '10 Mhz' is not a unit of a frequency"),
        (parse_frequency, "10", "has no unit: expected a number with a unit, such as '10 MHz'"),
        (parse_length, "-1 m", "the distance '-1 m' is negative"),
        (parse_transmit_power, "0 W", "must be greater than 0"),
        (parse_transmit_power, "23 dB", "'dB' in '23 dB' is not a unit of a transmit power"),
        (parse_noise_density, "-174 dBm", "'dBm' in '-174 dBm' is not a unit of a noise density"),
        (parse_noise_density, "-1740 dBm/Hz", "is beyond 1000 dBm/Hz"),
        (parse_decibels, "37.6", "expected a number of dB, such as '128.1 dB'"),
        (parse_kappa, "1e-28", "has no unit"),
    ],
)
def test_a_wrong_unit_is_refused(parse, text, complaint):
    with pytest.raises(QuantityError) as caught:
        parse(text)
    assert complaint in str(caught.value)


def test_the_rate_is_shannons_by_hand():
    channel = of_gas(1000)
    # 128.1 dB loss: 0.2 W x 10^-12.81 over 3.981e-21 W/Hz x 10 MHz
    snr = 0.2 * 10**-12.81 / (NOISE * 1e7)
    assert channel.snr == pytest.approx(snr)
    assert channel.rate_bytes_per_s() * 8 == pytest.approx(1e7 * math.log2(1 + snr))
    assert of_gas(100).rate_bytes_per_s() * 8 / 1e6 == pytest.approx(121.3, abs=0.1)
    assert channel.rate_bytes_per_s() * 8 / 1e6 == pytest.approx(8.30, abs=0.01)
    # AdaptSFL's form: h0 d^-a with h0 = 1e-6 and a = 1.3, 5 MHz at -150 dBm/Hz, 0.15 W, 500 m
    law = RadioChannel(5e6, 0.15, PowerLaw(1e-6, 1.3).gain(500), parse_noise_density("-150 dBm/Hz"))
    expected = 5e6 * math.log2(1 + 0.15 * 1e-6 * 500**-1.3 / (1e-18 * 5e6))
    assert law.rate_bytes_per_s() * 8 == pytest.approx(expected)


def test_the_rates_of_gas_belong_to_distances_of_its_range():
    def distance_m(rate_mbit_s: float) -> float:
        snr = 2 ** (rate_mbit_s / 10) - 1
        loss_db = 10 * math.log10(0.2 / (snr * NOISE * 1e7))
        return 1000 * 10 ** ((loss_db - 128.1) / 37.6)

    distances = [distance_m(rate) for rate in GAS_RATES]
    assert min(GAS_RATES) == 8.7
    assert max(GAS_RATES) == 85.5
    assert all(100 <= d <= 1000 for d in distances)
    for rate, distance in zip(GAS_RATES, distances, strict=True):
        assert of_gas(distance).rate_bytes_per_s() * 8 / 1e6 == pytest.approx(rate)


def test_a_weak_signal_has_no_rounding_and_a_strong_one_no_overflow():
    weak = RadioChannel(1e6, 1.0, 1e-30, 1e-12)
    assert weak.rate_bytes_per_s() == pytest.approx(1e6 * weak.snr / math.log(2) / 8)
    assert weak.mean_rayleigh_bytes_per_s() == pytest.approx(weak.rate_bytes_per_s())


@pytest.mark.parametrize("snr", [1e-3, 0.0199, 0.0201, 0.5, 10.0, 1e6])
def test_the_mean_under_fading_is_the_integral_over_gains(snr):
    channel = RadioChannel(1e6, snr, 1.0, 1e-6)
    assert channel.snr == pytest.approx(snr)
    integral, _ = quad(
        lambda h: math.exp(-h) * math.log2(1 + snr * h), 0, np.inf, epsabs=0, epsrel=1e-10
    )
    assert channel.mean_rayleigh_bytes_per_s() == pytest.approx(1e6 * integral / 8, rel=1e-8)


def test_gains_of_rounds_are_exponential_and_independent():
    channel = RadioChannel(1e6, 1.0, 1.0, 1e-6)
    rates = Rayleigh(channel).profile(0, "a.up", "a")
    gains = []
    for index in range(2000):
        rates.begin_round(index, float(index))
        rate, end = rates.piece(float(index))
        assert end == math.inf
        gains.append((2 ** (rate * 8 / 1e6) - 1) / channel.snr)
    # Mean 1 and standard deviation 1: intervals of 3.3 standard errors; the median is ln 2.
    assert np.mean(gains) == pytest.approx(1, abs=3.3 / math.sqrt(2000))
    assert np.median(gains) == pytest.approx(math.log(2), abs=3.3 / math.sqrt(2000))
    assert abs(np.corrcoef(gains[:-1], gains[1:])[0, 1]) < 3.3 / math.sqrt(2000)
    assert rates.piece(3.5) == (rates.piece(3.0)[0], 4.0)
    again = Rayleigh(channel).profile(0, "a.up", "a")
    again.begin_round(7, 0.0)
    assert again.piece(0.0)[0] == rates.piece(7.0)[0]
    down = Rayleigh(channel).profile(0, "a.down", "a")
    down.begin_round(7, 0.0)
    assert down.piece(0.0)[0] != rates.piece(7.0)[0]


def test_before_its_first_round_a_link_has_the_mean_rate():
    fading = Rayleigh(of_gas(500))
    rates = fading.profile(0, "a.up", "a")
    rates.begin_round(0, 5.0)
    assert rates.piece(1.0) == (fading.mean_bytes_per_s, 5.0)
    fresh = rates.of_run()
    assert fresh.piece(6.0) == (fading.mean_bytes_per_s, math.inf)


def test_draws_have_their_distributions():
    stream = generator(0, "test")
    uniform = [Uniform(100, 1000).sample(stream) for _ in range(4000)]
    assert min(uniform) >= 100
    assert max(uniform) <= 1000
    assert np.mean(uniform) == pytest.approx(550, abs=3.3 * 900 / math.sqrt(12 * 4000))
    places = [Disc(0, 1000).sample(stream) for _ in range(4000)]
    # A quarter of a disc's area is within half of its radius.
    inside = np.mean(np.array(places) < 500)
    assert inside == pytest.approx(0.25, abs=3.3 * math.sqrt(0.25 * 0.75 / 4000))


@pytest.mark.parametrize("basis", ["distance", "efficiency", "inverse_efficiency"])
def test_proportional_sub_bands_add_up_to_the_band(basis):
    distances = [100.0, 300.0, 900.0]
    channels = [of_gas(d) for d in distances]
    widths = Band(10e6, "proportional", basis=basis).widths_hz(channels, distances)
    assert sum(widths) == pytest.approx(10e6)
    efficiencies = [math.log2(1 + c.snr) for c in channels]
    weights = {
        "distance": distances,
        "efficiency": efficiencies,
        "inverse_efficiency": [1 / e for e in efficiencies],
    }[basis]
    assert widths[2] / widths[0] == pytest.approx(weights[2] / weights[0])


def cell(
    path_loss: LogDistance | PowerLaw = MACRO, profile: DeviceProfile | None = None
) -> RadioCell:
    clients = RadioClients(profile or device("raspberry-pi-4b"), 1, 500.0, 0.2, "phone")
    band = Band(10e6, "each")
    return RadioCell([clients], 0.005, band, band, 1.0, NOISE, path_loss)


def test_a_path_that_gains_power_is_refused():
    server = Server(device("server-8-core"))
    with pytest.raises(TopologyError) as caught:
        radio_cell(server=server, cell=cell(LogDistance(-10.0, 37.6)), seed=0)
    assert "client 'phone' at 500 m: the path loss has a gain of" in str(caught.value)
    with pytest.raises(TopologyError) as caught:
        radio_cell(server=server, cell=cell(LogDistance(900.0, 37.6)), seed=0)
    assert "link phone.up: at 500 m its rate is" in str(caught.value)


@pytest.mark.parametrize("basis", ["distance", "efficiency", "inverse_efficiency"])
def test_figures_beyond_floating_point_are_refused_too(basis):
    """A gain of 10^15000, and one of 0, of which no share of a band can be in proportion."""
    server = Server(device("server-8-core"))
    for path_loss, complaint in (
        (LogDistance(-150_000.0, 37.6), "the path loss has a gain of inf"),
        (LogDistance(150_000.0, 37.6), "link phone.up: at 500 m its rate is 0 bit/s"),
    ):
        band = Band(10e6, "proportional", basis=basis)
        one = replace(cell(path_loss), up=band, down=band)
        with pytest.raises(TopologyError, match=complaint):
            radio_cell(server=server, cell=one, seed=0)


def test_the_transmit_power_is_the_power_while_sending():
    server = Server(device("server-8-core"))
    plain = DeviceProfile.from_speed("phone", 1e9)
    powers = [{}, {"idle": 1.0, "compute": 3.0}, {"idle": 1.0, "compute": 3.0, "send": 2.0}]
    sending = []
    for power_w in powers:
        profile = replace(plain, power_w=power_w)
        topology = radio_cell(server=server, cell=cell(profile=profile), seed=0)
        found = topology.node("phone").device
        assert found is not None
        sending.append(found.power_w.get("send"))
    assert sending == [None, 1.2, 2.0]

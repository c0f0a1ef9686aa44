"""The closed forms against the sums, recursions and figures of their sources."""

from fractions import Fraction
from math import ceil, inf, log2, sqrt

import numpy as np
import pytest

from cutlayer.sim.transport import IDEAL, PathSettings, TransportSettings
from cutlayer.sim.transport.tcp_formulas import (
    cubic_rate,
    mathis_rate,
    pftk_rate,
    retransmission_timeout,
    sending_time,
    window_rate,
)

W0 = 14_480


def as_written(size, rate, rtt, setup):
    """The two rows of the formula for the last byte to arrive, with logarithms."""
    k = max(0, ceil(log2(rate * rtt / W0)))
    D = W0 * (2**k - 1)
    if size > D:
        return setup * rtt + rtt / 2 + k * rtt + (size - D) / rate
    r = ceil(log2(size / W0 + 1))
    return setup * rtt + rtt / 2 + (r - 1) * rtt + (size - W0 * (2 ** (r - 1) - 1)) / rate


@pytest.mark.parametrize("setup", [0, 1, 2])
@pytest.mark.parametrize("rtt", [1e-4, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("rate", [1e5, 1.25e6, 1.25e7, 1.25e8])
def test_a_transfer_takes_the_time_of_the_formula(rate, rtt, setup):
    for size in (1, 1448, W0, W0 + 1, 3 * W0, 3 * W0 + 1, 10**5, 10**6, 3 * 10**7):
        arrived = sending_time(size, rate, rtt, setup_rtts=setup) + rtt / 2
        assert arrived == pytest.approx(as_written(size, rate, rtt, setup), rel=1e-12)


def test_sending_time_by_hand():
    """10 Mbit/s, 100 ms: windows of 10, 20, 40, 80 segments leave in a round trip each, the fifth
    covers rate x RTT = 125,000 bytes."""
    sent = 15 * W0
    expected = 0.1 + 4 * 0.1 + (10**6 - sent) / 1.25e6
    assert sending_time(10**6, 1.25e6, 0.1) == pytest.approx(expected, rel=1e-12)
    # 40 kB: one window, then the rest at line rate.
    expected = 0.1 + 0.1 + (40_000 - W0) / 1.25e6
    assert sending_time(40_000, 1.25e6, 0.1) == pytest.approx(expected, rel=1e-12)


def test_without_limits_a_transfer_takes_its_round_trips():
    assert sending_time(10 * W0, inf, 0.1) == pytest.approx(0.1 + 3 * 0.1)
    assert sending_time(5000, 100.0, 0.0) == 50
    assert sending_time(5000, 100.0, 0.5, setup_rtts=0, slow_start=False) == 50
    assert sending_time(10**6, inf, 0.1, setup_rtts=0, window_bytes=50_000, slow_start=False) == 2


def reno_by_packets(loss, packets_per_ack=1):
    """Return Reno's mean window with one loss in 1/p packets: a sawtooth from W/2 to W, in segments."""
    peak = sqrt(8 / (3 * packets_per_ack * loss))
    return 3 / 4 * peak


@pytest.mark.parametrize("loss", [1e-6, 1e-4, 0.01])
@pytest.mark.parametrize("rtt", [0.001, 0.02, 0.2])
def test_mathis_is_the_mean_of_a_sawtooth(loss, rtt):
    for b in (1, 2):
        expected = reno_by_packets(loss, b) * 1448 / rtt
        assert mathis_rate(loss, rtt, packets_per_ack=b) == pytest.approx(expected, rel=1e-12)


def cubic_by_periods(loss, rtt):
    """Return the mean rate of the cubic curve between losses 1/p segments apart, integrated."""
    C, beta = 0.4, 0.7

    def segments(peak):
        K = (peak * (1 - beta) / C) ** (1 / 3)
        t = (np.arange(20_000) + 0.5) / 20_000 * K
        window = C * (t - K) ** 3 + peak
        return float(window.mean()) * K / rtt, K

    low, high = 1e-3, 1e12
    for _ in range(200):
        middle = sqrt(low * high)
        low, high = (middle, high) if segments(middle)[0] < 1 / loss else (low, middle)
    return 1448 / loss / segments(low)[1]


@pytest.mark.parametrize(("loss", "rtt"), [(1e-6, 0.05), (1e-5, 0.2), (1e-7, 0.3), (1e-4, 0.3)])
def test_cubic_is_the_mean_of_its_curve(loss, rtt):
    assert cubic_rate(loss, rtt) == pytest.approx(cubic_by_periods(loss, rtt), rel=1e-4)
    assert cubic_rate(loss, rtt) == pytest.approx(1.054 * 1448 / (rtt**0.25 * loss**0.75), rel=1e-3)


@pytest.mark.parametrize(("loss", "rtt"), [(1e-3, 0.001), (1e-4, 0.01), (0.01, 0.1)])
def test_cubic_is_never_slower_than_reno(loss, rtt):
    assert cubic_by_periods(loss, rtt) < mathis_rate(loss, rtt)
    assert cubic_rate(loss, rtt) == mathis_rate(loss, rtt)


def test_pftk_is_reno_less_its_time_outs():
    assert pftk_rate(1e-9, 0.1) == pytest.approx(mathis_rate(1e-9, 0.1), rel=1e-4)
    assert pftk_rate(0.05, 0.1) < 0.75 * mathis_rate(0.05, 0.1)
    # p = 0.02, RTT = 100 ms, T0 = 300 ms, b = 2, by hand: 0.1 sqrt(0.08/3) + 0.3 x 3 sqrt(0.015) x
    # 0.02 x 1.0128 = 0.0163299 + 0.0022328
    assert pftk_rate(0.02, 0.1, packets_per_ack=2) == pytest.approx(1448 / 0.0185627, rel=1e-4)
    # p = 0.5, RTT = 100 ms, b = 1: a loss is always a time-out; 0.1 sqrt(1/3) + 0.3 x 0.5 x 9
    assert pftk_rate(0.5, 0.1) == pytest.approx(1448 / (0.057735 + 1.35), rel=1e-5)


@pytest.mark.parametrize("rate", [mathis_rate, pftk_rate, cubic_rate])
def test_loss_and_round_trips_slow_a_flow_down(rate):
    assert rate(0, 0.1) == rate(0.01, 0) == inf
    by_loss = [rate(p, 0.05) for p in (1e-6, 1e-4, 1e-3, 0.01, 0.1)]
    by_rtt = [rate(1e-3, rtt) for rtt in (0.001, 0.01, 0.1, 1)]
    assert by_loss == sorted(by_loss, reverse=True)
    assert by_rtt == sorted(by_rtt, reverse=True)
    assert len({*by_loss, *by_rtt}) == 9


def test_windows_weights_and_headers():
    assert window_rate(4 * 2**20, 0.05) == 83_886_080
    assert window_rate(1, 0) == inf
    biased = TransportSettings(rtt_bias=1)
    assert TransportSettings(rtt_bias=0.25).weight(0.0625) == 2
    assert TransportSettings().weight(0.05) == 1
    assert biased.weight(0) == biased.weight(0.001) == 1000
    assert TransportSettings().header_efficiency == float(Fraction(1448, 1500))
    assert IDEAL.header_efficiency == 1
    assert retransmission_timeout(0.05) == 0.25


def test_wrong_settings_are_refused():
    for wrong in ({"initial_window": 0}, {"window_bytes": 0}, {"rtt_bias": -1}, {"rtt_bias": inf}):
        with pytest.raises(ValueError, match=r"a transport needs .* got TransportSettings\("):
            TransportSettings(**wrong)
    for rtt, loss in ((-1, 0), (inf, 0), (0.1, 1), (0.1, -0.1), (float("nan"), 0)):
        with pytest.raises(ValueError, match=r"a path needs a finite round trip"):
            PathSettings(rtt, 0, loss=loss)

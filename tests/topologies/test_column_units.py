"""Units in the titles of columns: known, refused, or missing."""

from fractions import Fraction

import pytest

from cutlayer.topologies.column_units import (
    ColumnUnitError,
    duration_unit,
    names_a_duration,
    rate_unit,
)

MEGABIT, MEGABYTE = Fraction(125_000), Fraction(1_000_000)

RATES = {
    1: ["bytes_per_second", "bytes_per_s", "bytes/s", "Bytes/s", "B/s", "Bps", "rate (bytes/s)"],
    Fraction(1, 8): ["bps", "bit/s", "bits_per_second", "rate_bps"],
    125: ["kbps", "Kbps", "kbit/s", "kb/s", "kilobits per second", "kbit_s", "rate [kbps]"],
    1000: ["kB/s", "KB/s", "throughputKBps", "kilobytes_per_second", "bytes_per_ms"],
    1024: ["KiB/s", "KiBps"],
    MEGABIT: ["mbps", "Mbps", "Mbit/s", "mbit/s", "Mb/s", "rate_mbps", "rate in Mbit/s"],
    MEGABYTE: ["MB/s", "MBps", "Mbyte/s", "capacity(MB/s)", "MB_s"],
    2**20: ["MiB/s"],
    MEGABIT * 1000: ["Gbps", "gbps", "Gbit/s"],
    Fraction(25, 12): ["kbit/min"],
    None: ["rate", "bandwidth", "throughput", "r", "down", "", "Uplink"],
}


@pytest.mark.parametrize(("unit", "title"), [(u, t) for u, titles in RATES.items() for t in titles])
def test_the_unit_of_a_rate_is_understood(unit, title):
    assert rate_unit(title) == unit


DURATIONS = {
    1: ["s", "time_s", "seconds", "Time [s]", "elapsed_sec", "# t (s)"],
    Fraction(1, 1000): ["ms", "time_ms", "timeMs", "TIME_MS", "t(ms)", "milliseconds"],
    Fraction(1, 10**6): ["us", "timestamp_us", "µs"],
    Fraction(1, 10**9): ["epoch_ns"],
    60: ["min", "elapsed_minutes"],
    3600: ["h", "hours"],
    86400: ["day"],
    None: ["t", "time", "timestamp", "", "at"],
}


@pytest.mark.parametrize(
    ("unit", "title"), [(u, t) for u, titles in DURATIONS.items() for t in titles]
)
def test_the_unit_of_a_time_is_understood(unit, title):
    assert duration_unit(title) == unit


@pytest.mark.parametrize(
    "title",
    [
        "mb/s",
        "MBPS",
        "bitrate",
        "rate_mb",
        "bytes",
        "packets/s",
        "pps",
        "rate (foo)",
        "x/y",
        "mbps_down",
        "Mibps",
        "packets_per_second",
        "load %",
    ],
)
def test_the_unit_of_a_rate_that_could_mean_two_things_is_refused(title):
    with pytest.raises(ColumnUnitError, match="is not understood: expected one such as bytes_per"):
        rate_unit(title)


@pytest.mark.parametrize("title", ["time (m)", "time_m", "ms_since_start", "t [ticks]", "milli"])
def test_the_unit_of_a_time_that_is_not_known_is_refused(title):
    with pytest.raises(ColumnUnitError, match="is not understood: expected one of s, ms"):
        duration_unit(title)


def test_swapped_columns_are_refused():
    with pytest.raises(ColumnUnitError, match="'mbps' holds rates: expected times there"):
        duration_unit("mbps")
    with pytest.raises(ColumnUnitError, match="'time_s' holds times: expected rates there"):
        rate_unit("time_s")


def test_titles_of_durations():
    assert all(map(names_a_duration, ["inference_ms", "latency (ms)", "time [s]", "seconds"]))
    assert not any(map(names_a_duration, ["score", "CPU_F_AI_Score", "fps", "runs_per_second"]))

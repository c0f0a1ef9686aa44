import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.topologies.units import (
    QuantityError,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    parse_speed,
)

RATES = {
    "bit/s": 0.125,
    "kbit/s": 125,
    "Mbit/s": 125e3,
    "Gbit/s": 125e6,
    "Tbit/s": 125e9,
    "B/s": 1,
    "kB/s": 1e3,
    "MB/s": 1e6,
    "GB/s": 1e9,
    "TB/s": 1e12,
    "KiB/s": 1024,
    "MiB/s": 1024**2,
    "GiB/s": 1024**3,
    "TiB/s": 1024**4,
}
SIZES = {unit.removesuffix("/s"): factor for unit, factor in RATES.items() if "bit" not in unit}
DURATIONS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "min": 60}
DURATIONS |= {"h": 3600, "d": 86400}
SPEEDS = {"FLOP/s": 1, "kFLOP/s": 1e3, "MFLOP/s": 1e6, "GFLOP/s": 1e9, "TFLOP/s": 1e12}
SPEEDS |= {"PFLOP/s": 1e15}
ALL = [(parse_rate, RATES), (parse_size, SIZES), (parse_duration, DURATIONS), (parse_speed, SPEEDS)]


@pytest.mark.parametrize(
    ("parse", "unit", "factor"),
    [(parse, unit, factor) for parse, units in ALL for unit, factor in units.items()],
)
@given(number=st.integers(1, 10**6))
def test_every_unit_is_its_factor(parse, unit, factor, number):
    expected = number * factor
    assert parse(f"{number} {unit}") == pytest.approx(expected, rel=1e-15)
    assert parse(f"{number}{unit}") == pytest.approx(expected, rel=1e-15)


def test_bits_and_bytes_are_distinguished():
    assert parse_rate("10 Mbit/s") == 1.25e6
    assert parse_rate("10 MB/s") == 10e6
    assert parse_rate("10 MiB/s") == 10 * 2**20
    assert parse_size("8 Mbit") == parse_size("1 MB") == 10**6
    assert parse_size("4 GiB") == 4 * 2**30


def test_values_are_rounded_once():
    assert parse_duration("0.1 ms") == 1e-4
    assert parse_duration("1.1 us") == 1.1e-6
    assert parse_rate("0.3 Mbit/s") == 37500.0


def test_only_a_rate_can_be_unlimited():
    assert parse_rate("unlimited") == math.inf
    for parse in (parse_duration, parse_size, parse_speed):
        with pytest.raises(QuantityError, match="'unlimited' is no"):
            parse("unlimited")


def test_zero_is_a_duration_and_a_size_but_not_a_rate_or_a_speed():
    assert parse_duration("0 s") == 0
    assert parse_size("0 B") == 0
    for parse, text in ((parse_rate, "0 Mbit/s"), (parse_speed, "0 GFLOP/s")):
        with pytest.raises(QuantityError, match="must be greater than 0"):
            parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "problem"),
    [
        (parse_rate, "10", r"the rate '10' has no unit: expected .* '10 Mbit/s'"),
        (parse_rate, 10, r"the rate 10 has no unit"),
        (parse_duration, 0.5, r"the duration 0.5 has no unit: expected .* '20 ms'"),
        (parse_size, "12", r"the size '12' has no unit: expected .* '4 GiB'"),
        (parse_speed, "5e9", r"the computing speed '5e9' has no unit: .* '5 GFLOP/s'"),
        (parse_rate, "-1 Mbit/s", "is negative"),
        (parse_duration, "-1 ms", "is negative"),
        (parse_rate, "nan Mbit/s", "is not a rate"),
        (parse_rate, "inf B/s", "is not a rate"),
        (parse_duration, math.inf, "is not a duration"),
        (parse_duration, math.nan, "is not a duration"),
        (parse_rate, None, "None is not a rate"),
        (parse_rate, True, "True is not a rate"),
        (parse_rate, ["1 B/s"], "is not a rate"),
        (parse_rate, "", "'' is not a rate"),
        (parse_rate, "1,5 MB/s", "is not a unit of a rate"),
        (parse_rate, "1e999 B/s", "too large"),
        (parse_duration, "1e-999 s", "too small"),
        (parse_size, "1e999999999999 B", "is too large or too small to be a number"),
        (parse_size, "9" * 5000 + " B", "is not a size|not a unit of a size"),
        (parse_size, "0.5 B", "not a whole number of bytes"),
        (parse_rate, "10 lightyears", r"not a unit of a rate \(expected"),
    ],
)
def test_what_cannot_be_read_is_refused(parse, text, problem):
    with pytest.raises(QuantityError, match=problem):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "unit", "meant"),
    [
        (parse_rate, "Mbps", "Mbit/s"),
        (parse_rate, "Mb/s", "Mbit/s"),
        (parse_rate, "mb/s", "Mbit/s"),
        (parse_rate, "Kbps", "kbit/s"),
        (parse_rate, "Mbit", "Mbit/s"),
        (parse_rate, "mbit/s", "Mbit/s"),
        (parse_rate, "mB/s", "MB/s"),
        (parse_rate, "Mbits/s", "Mbit/s"),
        (parse_rate, "bps", "bit/s"),
        (parse_duration, "Ms", "ms"),
        (parse_duration, "sec", "s"),
        (parse_duration, "minutes", "min"),
        (parse_size, "gib", "GiB"),
        (parse_size, "gb", "GB"),
        (parse_speed, "GFLOPS", "GFLOP/s"),
        (parse_speed, "gflop/s", "GFLOP/s"),
    ],
)
def test_the_unit_that_was_meant_is_suggested(parse, unit, meant):
    with pytest.raises(QuantityError, match=f"did you mean '{meant}'"):
        parse(f"3 {unit}")


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_rate_or_duration_written_with_all_digits_reads_back_exactly(value):
    assert parse_rate(format_rate(value, digits=None)) == value
    assert parse_duration(format_duration(value, digits=None)) == value


@given(st.integers(0, 2**60), st.booleans())
def test_a_size_written_with_all_digits_reads_back_exactly(value, binary):
    assert parse_size(format_size(value, digits=None, binary=binary)) == value


@given(st.floats(min_value=1e-9, max_value=1e15))
def test_short_texts_are_right_to_their_digits(value):
    assert parse_rate(format_rate(value)) == pytest.approx(value, rel=1e-3)
    assert parse_duration(format_duration(value)) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_rate(1.25e6), "10 Mbit/s"),
        (format_rate(4.75e6), "38 Mbit/s"),
        (format_rate(math.inf), "unlimited"),
        (format_rate(0), "0 bit/s"),
        (format_duration(0.02), "20 ms"),
        (format_duration(0), "0 s"),
        (format_duration(5400), "1.5 h"),
        (format_size(1_500_000), "1.5 MB"),
        (format_size(4 * 2**30, binary=True), "4 GiB"),
        (format_size(0), "0 B"),
    ],
)
def test_texts_are_in_the_usual_form(text, expected):
    assert text == expected


def test_impossible_values_are_not_written():
    for value in (-1.0, math.nan):
        with pytest.raises(QuantityError):
            format_duration(value)
    with pytest.raises(QuantityError):
        format_duration(math.inf)


@given(st.decimals(min_value=0, max_value=10**9, places=3))
def test_parsing_agrees_with_exact_arithmetic(number):
    assert parse_duration(f"{number} ms") == float(Fraction(number) / 1000)

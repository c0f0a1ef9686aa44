"""Recordings: they conserve bytes and repeat, and errors name the line."""

import gzip
import math
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from walks import at, integral, pieces

from cutlayer.topologies.bandwidth import (
    Shifted,
    Table,
    Tabled,
    TraceError,
    read_csv,
    read_mahimahi,
)


@pytest.fixture
def trace(tmp_path):
    """Write a file; return its name."""

    def writing(text, name="t.trace"):
        path = tmp_path / name
        raw = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(raw, mtime=0) if name.endswith(".gz") else raw)
        return str(path)

    return writing


def lines(times):
    return "".join(f"{time}\n" for time in times)


def test_packets_become_rates(trace):
    # 200 ms: two packets up to 100 ms, one after it.
    profile = read_mahimahi(trace("50\n100\n200\n"))
    assert list(pieces(profile, 0.4)) == [
        (0.0, 0.1, 30000.0),
        (0.1, 0.2, 15000.0),
        (0.2, pytest.approx(0.3), 30000.0),
        (pytest.approx(0.3), 0.4, 15000.0),
    ]
    assert profile.mean == pytest.approx(22500)


def test_one_millisecond_is_a_step(trace):
    profile = read_mahimahi(trace("1\n1\n3\n"), step_s=0.001)
    assert [round(value) for *_, value in pieces(profile, 0.003)] == [3_000_000, 0, 1_500_000]


def test_a_packet_at_zero_counts_for_the_first_step(trace):
    profile = read_mahimahi(trace("0\n0\n400\n"), step_s=0.2)
    assert at(profile, 0.0, 0.2) == pytest.approx([15000, 7500])


@pytest.mark.parametrize(("last", "widths"), [(240, [0.1, 0.14]), (260, [0.1, 0.1, 0.06])])
def test_a_short_rest_belongs_to_the_last_step(trace, last, widths):
    profile = read_mahimahi(trace(f"100\n200\n200\n{last}\n{last}\n{last}\n"))
    assert [end - begin for begin, end, _ in pieces(profile, last / 1000)] == pytest.approx(widths)


@given(
    gaps=st.lists(st.integers(0, 400), min_size=1, max_size=40).filter(any),
    step_ms=st.integers(1, 700),
)
def test_bytes_are_conserved(tmp_path_factory, gaps, step_ms):
    times = [*accumulate(gaps)]
    path = tmp_path_factory.mktemp("trace") / "t"
    path.write_text(lines(times), encoding="utf-8")
    profile = read_mahimahi(str(path), step_s=step_ms / 1000)
    last_s = times[-1] / 1000
    assert profile.period == last_s
    assert integral(profile, last_s) == pytest.approx(1500 * len(times), rel=1e-12)
    assert integral(profile, 3 * last_s) == pytest.approx(4500 * len(times), rel=1e-9)
    assert profile.mean == pytest.approx(1500 * len(times) / last_s, rel=1e-12)
    for k in range(1, 1 + times[-1] // step_ms):  # at every step, what the file delivers by then
        if 2 * (times[-1] - k * step_ms) <= step_ms:
            break  # the last step has begun, or may have
        by_then = sum(time <= k * step_ms for time in times)
        assert integral(profile, k * step_ms / 1000) == pytest.approx(1500 * by_then, abs=1e-3)


def test_compressed_and_with_other_ends_of_lines_it_is_the_same(trace):
    plain = read_mahimahi(trace("5\n120\n230\n"))
    for other in (
        trace("5\n120\n230\n", "t.gz"),
        trace("5\r\n120\r\n230\r\n", "dos"),
        trace(b"\xef\xbb\xbf5\n120\n230", "bom"),
    ):
        assert list(pieces(read_mahimahi(other), 1.0)) == list(pieces(plain, 1.0))


def test_an_hour_of_milliseconds_needs_only_a_table(trace):
    times = np.sort(np.random.default_rng(3).integers(0, 3_600_001, 400_000))
    times[-1] = 3_600_000
    profile = read_mahimahi(trace(lines(times.tolist()), "hour.gz"), step_s=0.001)
    assert profile.mean == pytest.approx(400_000 * 1500 / 3600)
    assert integral(profile, 2.0) == pytest.approx(1500 * np.sum(times <= 2000))


def test_a_changed_file_is_read_again(trace):
    before = read_mahimahi(trace("100\n"))
    assert read_mahimahi(trace("100\n")).mean == before.mean
    assert read_mahimahi(trace("50\n50\n100\n")).mean == pytest.approx(3 * before.mean)


def test_rows_hold_until_the_next(trace):
    text = "seconds,bytes_per_second\n0,100\n2.5,0\n4 , 1e3\n"
    profile = read_csv(trace(text, "t.csv"))
    assert list(pieces(profile, 9)) == [(0, 2.5, 100), (2.5, 4, 0), (4, 9, 1000)]
    assert profile.piece(4.0) == (1000.0, math.inf)
    assert profile.mean == pytest.approx((250 + 4000) / 8)  # the last rate as long again
    again = read_csv(trace(text, "t.csv"), 5.0)
    assert at(again, 4.9, 5.0, 7.6, 9.0, 10.0) == [1000, 100, 0, 1000, 100]
    assert again.mean == pytest.approx((250 + 1000) / 5)


def test_one_row_is_a_constant(trace):
    profile = read_csv(trace("0,7\n"))
    assert profile.piece(1e9) == (7.0, math.inf)
    assert profile.mean == 7


MAHIMAHI_ERRORS = [
    ("", "t is empty"),
    ("\n \n", "t is empty"),
    ("5\n4\n", "t, line 2: expected a time not before the one in the line above, got '4'"),
    ("1\n\n5\n4\n", "t, line 4: expected a time not before the one in the line above, got '4'"),
    ("5\nx\n", "t, line 2: expected a time in whole milliseconds, got 'x'"),
    ("5\n1.5\n", "t, line 2: expected a time in whole milliseconds, got '1.5'"),
    ("-5\n1\n", "t, line 1: expected a time in whole milliseconds, got '-5'"),
    ("5 6\n7 8\n", "t, line 1: expected a time in whole milliseconds, got '5 6'"),
    ("0,5\n", "t, line 1: expected a time in whole milliseconds, got '0,5'"),
    ("0\n0\n", "t, line 2: expected a last time after 0 ms, got '0'"),
    ("99999999999999999999\n", "t, line 1: expected a time in whole milliseconds, got"),
    (b"\xff\xfe\x00", "t is text in UTF-16: save it as UTF-8"),
    (b"1\n\xff\n", "t is not text in UTF-8 (line 2)"),
    ("\x1f\n", "t is not text: line 1 holds the control character U+001F"),
    ("5\n\u0663\n", "t, line 2: expected a time in whole milliseconds, got '\u0663'"),
    ("5\n1_0\n", "t, line 2: expected a time in whole milliseconds, got '1_0'"),
    ("1" * 1001, "t, line 1: expected at most 1,000 bytes a line, got 1,001"),
    (gzip.compress(b"5\n", mtime=0), "t is compressed: expected a name that ends in .gz"),
    (
        "1700000000000\n1700000000010\n",
        "t, line 1: expected milliseconds from the start of the recording; these look like the"
        " times of a clock: subtract 1700000000000 from all of them, got '1700000000000'",
    ),
    ("1\n10000000000\n", "t lasts 2778 h, 100,000,000 steps of 100 ms: at most 5,000,000 are read"),
]


@pytest.mark.parametrize(("text", "said"), MAHIMAHI_ERRORS)
def test_a_bad_line_is_named(trace, text, said):
    with pytest.raises(TraceError) as error:
        read_mahimahi(trace(text, "t"))
    assert said in str(error.value)


CSV_ERRORS = [
    ("seconds,rate\n", "t has a header, but no data"),
    ("0,5\n0,6\n", "t, line 2: expected a time after the one in the line above, got '0,6'"),
    (
        "1,5\n",
        "t, line 1: expected the first time to be 0 (subtract the first from all), got '1,5'",
    ),
    ("s,r\n0,5\n1\n", "t, line 3: expected seconds,bytes_per_second, got '1'"),
    ("0,5\n1,nan\n", "t, line 2: expected seconds,bytes_per_second, got '1,nan'"),
    ("0,5\n1,inf\n", "t, line 2: expected seconds,bytes_per_second, got '1,inf'"),
    ("nan,5\n1,2\n", "t, line 1: expected seconds,bytes_per_second, got 'nan,5'"),
    (
        "a,b,c\n1,2,3\n",
        "t, line 1: expected 2 columns, seconds,bytes_per_second, separated by commas, got 3",
    ),
    ("0,5,6\n", "t, line 1: expected seconds,bytes_per_second, got '0,5,6'"),
    ("0,5\n1,1e999\n", "t, line 2: expected seconds,bytes_per_second, got '1,1e999'"),
    ("0,x\n1,2\n", "t, line 1: expected seconds,bytes_per_second, got '0,x'"),
    ("0,5\n1,-2\n", "t, line 2: expected a rate of 0 or more, got '1,-2'"),
    ("0,1e18\n", "t, line 1: expected a rate of 0, or 0.001 to 1e18 bit/s, got '0,1e18'"),
    ("0,1e-9\n", "t, line 1: expected a rate of 0, or 0.001 to 1e18 bit/s, got '0,1e-9'"),
    ("0,1\n1e13,2\n", "t, line 2: expected times of at most 1e+12 s, got '1e13,2'"),
    ("0,0\n1,0\n", "t has no rate above 0"),
    ("0,1\n3,2\n4,2\n", "t, line 2: expected a time before its repeat of 3 s, got '3,2'"),
]


@pytest.mark.parametrize(("text", "said"), CSV_ERRORS)
def test_a_bad_row_is_named(trace, text, said):
    with pytest.raises(TraceError) as error:
        read_csv(trace(text, "t"), 3.0)
    assert str(error.value).endswith(said)


def test_what_is_not_a_file_is_refused(tmp_path, trace):
    (tmp_path / "broken.gz").write_bytes(b"no gzip")
    whole = gzip.compress(b"1\n2\n" * 999, mtime=0)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    for name, said in [
        ("nowhere", "does not exist"),
        (".", "is a folder"),
        ("broken.gz", "cannot be read"),
        ("cut.gz", "cannot be read"),
    ]:
        with pytest.raises(TraceError, match=said):
            read_mahimahi(str(tmp_path / name))
    with pytest.raises(TraceError, match="cannot be read"):
        read_csv("a\0b")


def test_successive_equal_rates_are_one_piece():
    table = Table([0, 1, 2, 3], [5, 5, 6, 6])
    assert list(pieces(table, 9)) == [(0, 2, 5), (2, 9, 6)]


@given(
    gaps=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8),
    by=st.floats(0, 1e5),
    factor=st.floats(0.1, 10),
)
def test_shifted_and_scaled_are_the_same_elsewhere(gaps, by, factor):
    starts = [0.0, *accumulate(gaps)]
    values = [float(k % 3) for k in range(len(gaps))] + [4.0]
    table = Table(starts, values, starts[-1] + 1)
    shifted, scaled = Shifted(table, by), table.scaled(factor)
    begins = [begin for begin, *_ in pieces(table, 3 * table.period)]
    for begin, end in pairwise(begins):
        middle = (begin + end) / 2
        assert scaled.piece(middle) == pytest.approx(
            (factor * table.piece(middle)[0], table.piece(middle)[1])
        )
        if middle > by:
            assert shifted.piece(middle - by)[0] == table.piece(middle)[0]
    assert sum(1 for _ in pieces(shifted, 2 * table.period)) <= 2 * len(values) + 2
    assert integral(shifted, table.period) == pytest.approx(table.mean * table.period, rel=1e-6)


def test_a_time_rounded_to_just_before_an_end_is_in_the_next_piece():
    shifted = Shifted(Table([0, 57.57, 94.8, 100], [1, 2, 3, 4]), 14.52)
    end = 57.57 - 14.52
    assert end + 14.52 < 57.57
    assert shifted.piece(0.0) == (1, end)
    assert shifted.piece(end) == (2, 94.8 - 14.52)


def test_a_random_start_belongs_to_the_connection_and_the_seed():
    table = Tabled(Table(np.arange(1000.0), np.arange(1000.0) + 1, 1000), None)

    def first(seed, key, connection):
        return table.profile(seed, key, connection).piece(0.0)[0]

    assert first(0, "a.up", "a") == first(0, "a.down", "a")
    places = [first(seed, "x", name) for seed in range(50) for name in ("a", "b")]
    assert len(set(places)) > 80
    assert 300 < np.mean(places) < 700
    assert Tabled(table.table, 17.0).profile(0, "x", "x").piece(0.0)[0] == 18
    assert table.mean_bytes_per_s == pytest.approx(500.5)


# A line for each unit that says the same as 10 Mbit/s for 60 s, then 5 Mbit/s.
TEN_THEN_FIVE = [
    "time_s,mbps\n0,10\n60,5\n",
    "seconds,bytes_per_second\n0,1250000\n60,625000\n",
    "0,1250000\n60,625000\n",
    "time,rate\n0,1250000\n60,625000\n",
    "ms,kbps\n0,10000\n60000,5000\n",
    "time (ms),rate (Mbit/s)\n0,10\n60000,5\n",
    "min,MB/s\n0,1.25\n1,0.625\n",
    "timestamp_us,bps\n0,1e7\n6e7,5e6\n",
    "s,bit/s\r\n0,10000000\r\n60,5000000\r\n",
    "\ufeff\nh,kB/s\n0,1250\n0.016666666666666666,625\n",
]


@pytest.mark.parametrize("text", TEN_THEN_FIVE)
def test_the_units_of_a_header_are_converted(trace, text):
    profile = read_csv(trace(text, "t.csv"))
    assert list(pieces(profile, 90)) == [(0, 60, 1.25e6), (60, 90, 6.25e5)]
    assert integral(profile, 60.0) == 75e6


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("time_s,mb/s", "line 1: the unit of the rates in 'mb/s' is not understood: expected one"),
        ("time_s,bitrate", "line 1: the unit of the rates in 'bitrate' is not understood"),
        ("ticks (foo),mbps", "line 1: the unit of the times in 'ticks (foo)' is not understood"),
        ("mbps,time_s", "line 1: the column 'mbps' holds rates: expected times there"),
        ("\n\ntime_s,mb", "line 3: the unit of the rates in 'mb' is not understood"),
    ],
)
def test_unknown_units_are_refused(trace, header, said):
    with pytest.raises(TraceError) as error:
        read_csv(trace(f"{header}\n0,10\n60,5\n"))
    assert said in str(error.value)


def test_stray_returns_and_blanks_change_nothing(trace):
    packets = read_mahimahi(trace("0\n1\n1\n5\n10\n100\n\r1000", "odd"))
    assert integral(packets, 1.0) == pytest.approx(7 * 1500)
    rates = read_csv(trace("\n0,1000000\n  \n1,2e6\n\r2.5,0\n3,500000.5", "odd.csv"))
    expected = [(0, 1, 1e6), (1, 2.5, 2e6), (2.5, 3, 0), (3, 4, 500000.5)]
    assert list(pieces(rates, 4)) == expected


def test_a_recording_may_begin_with_a_silence_as_long_as_itself(trace):
    start = 100_000_000  # more than a day
    profile = read_mahimahi(trace(f"{start}\n{2 * start}\n"), step_s=1000.0)
    assert integral(profile, 2.0 * start / 1000) == pytest.approx(3000)


def test_a_recording_of_too_many_lines_is_refused_with_their_number(trace, monkeypatch):
    from cutlayer.topologies.bandwidth import csv_trace

    monkeypatch.setattr(csv_trace, "MAX_LINES", 3)
    with pytest.raises(TraceError, match=r"t has 5 lines: at most 3 are read"):
        read_csv(trace("0,1\n1,2\n2,3\n3,4\n", "t"))

"""Profiles of version 0.1, with rates by the side of the map, as present figures."""

from math import log2

import pytest

from cutlayer.scenarios.profile_file import read_profile
from cutlayer.topologies.catalogue.old_rates import FASTEST, LADDER, WIDE_BYTES, converted
from cutlayer.topologies.catalogue.schema import DeviceEntry
from cutlayer.topologies.layer_time import PassRates

PASSES = ("forward", "backward")
CONV, STREAM, COLUMNS = PassRates(34e9, 39e9), PassRates(2.5e9, 0.9e9), PassRates(1e9, 1.8e9)

# The rates of 3x3 convolutions of raspberry-pi-4b in version 0.1, in GFLOP/s.
PI = {
    "forward": {32: 14.5, 17: 21.3, 9: 25.9, 5: 26.6, 4: 17.3, 3: 9.9, 2: 4.4},
    "backward": {32: 7.0, 17: 9.37, 9: 9.11, 5: 5.31, 4: 3.65, 3: 2.25, 2: 1.0},
}


def work(side, channels):
    """Return FLOPs, weight bytes and column bytes of a 3x3 convolution, per sample."""
    return 18 * channels**2 * side**2, 36 * channels**2, 36 * channels * side**2


def seconds(side, channels, pass_, rates, stream, columns):
    """Return the time of a sample in the present form."""
    flops, weights, unfolded = work(side, channels)
    each = flops / rates.of(pass_)
    each += weights / stream.of(pass_) if stream else 0
    return each + (unfolded / columns.of(pass_) if columns else 0)


def tables(rates=CONV, stream=STREAM, columns=COLUMNS):
    """Return tables as an old fit of a machine of the present form would have had them."""
    found = {"conv": {p: {} for p in PASSES}, "conv_wide": {p: {} for p in PASSES}}
    for side, channels in LADDER:
        flops, weights, _ = work(side, channels)
        name = "conv_wide" if weights > WIDE_BYTES else "conv"
        for pass_ in PASSES:
            found[name][pass_][side] = flops / seconds(
                side, channels, pass_, rates, stream, columns
            )
    return found


def test_a_machine_of_the_present_form_is_recovered():
    old = converted(tables())
    assert old.rates.keys() == {"conv"}
    assert old.rates["conv"] == pytest.approx(CONV, rel=1e-4)
    assert old.weight_stream == pytest.approx(STREAM, rel=1e-4)
    assert old.columns == pytest.approx(COLUMNS, rel=1e-4)
    assert old.difference < 1e-6


def test_a_machine_that_streams_nothing_gets_streams_without_cost():
    old = converted(tables(stream=None, columns=None))
    assert old.rates["conv"] == pytest.approx(CONV, rel=1e-3)
    for pass_ in PASSES:
        for side, channels in LADDER:
            plain = seconds(side, channels, pass_, CONV, None, None)
            found = seconds(side, channels, pass_, old.rates["conv"], *old[1:3])
            assert found == pytest.approx(plain, rel=1e-3)
    assert max(*old.weight_stream, *old.columns) <= FASTEST * (1 + 1e-9)
    assert old.difference < 1e-3


def test_the_old_pi_keeps_its_times_within_the_stated_difference():
    table = {p: {side: 1e9 * rate for side, rate in by.items()} for p, by in PI.items()}
    old = converted({"conv": table})
    off = []
    for pass_ in PASSES:
        for side, channels in LADDER:
            near = min(sorted(table[pass_]), key=lambda size: abs(log2(size / side)))
            before = work(side, channels)[0] / table[pass_][near]
            after = seconds(side, channels, pass_, old.rates["conv"], *old[1:3])
            off.append(abs(after / before - 1))
    assert max(off) == pytest.approx(old.difference, rel=1e-6)
    assert 0.01 < old.difference < 0.4
    # Maps of 2x2 were 9 times slower backward than those of 17x17: a stream of weights explains it.
    assert old.weight_stream.backward < 5e9


def test_the_rates_of_another_class_become_the_one_with_the_least_squared_errors_in_time():
    table = {"forward": {32: 10e9, 8: 20e9}, "backward": {32: 5e9}}
    old = converted({"pointwise": table, "linear": {"forward": {1: 3e9}, "backward": {1: 2e9}}})
    assert old.weight_stream is old.columns is None

    def squares(rate):
        return sum((given / rate - 1) ** 2 for given in table["forward"].values())

    rate = old.rates["pointwise"].forward
    assert squares(rate) < min(squares(0.99 * rate), squares(1.01 * rate))
    assert old.rates["pointwise"].backward == 5e9
    assert old.rates["linear"] == (3e9, 2e9)
    assert old.difference == pytest.approx(max(abs(10e9 / rate - 1), abs(20e9 / rate - 1)))


def written(by_map, extra="", old_class="", backward="25 GFLOP/s"):
    return f"""\
description: a board
sources: [somewhere]
rates:
  conv: {{forward: {by_map}, backward: {backward}, status: measured}}
{old_class}  linear: {{forward: 3 GFLOP/s, backward: 2 GFLOP/s, status: measured}}
memory_bandwidth: {{value: 4 GB/s, status: measured}}
optimizer_bandwidth: {{value: 4 GB/s, status: measured}}
layer_overhead: {{value: 10 us, status: measured}}
iteration_overhead: {{value: 1 ms, status: measured}}
loader_per_iteration: {{value: 0 s, status: measured}}
{extra}"""


BY_MAP = "{32: 14.5 GFLOP/s, 17: 21.3 GFLOP/s, 5: 26.6 GFLOP/s, 2: 4.4 GFLOP/s}"
WIDE = "  conv_wide: {forward: 3 GFLOP/s, backward: 1 GFLOP/s, status: measured}\n"
BANDWIDTHS = """\
weight_stream: {forward: 1 GB/s, backward: 2 GB/s, status: measured}
columns: {forward: 3 GB/s, backward: 4 GB/s, status: measured}
"""


def test_an_old_file_is_read_and_says_that_it_is_old(tmp_path, capsys):
    path = tmp_path / "old.yaml"
    path.write_text(written(BY_MAP, old_class=WIDE), encoding="utf-8")
    board = read_profile(path, "old")
    assert board.rates.keys() == {"conv", "linear"}
    assert board.weight_stream_bytes_per_s.forward > 0
    assert board.column_bytes_per_s.forward > 0
    assert "rates.conv_wide" not in board.status
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{path}: rates by the side of a map are deprecated: converted to one rate" in said


def test_a_file_of_today_is_not_converted(tmp_path, capsys):
    path = tmp_path / "new.yaml"
    path.write_text(written("30 GFLOP/s", BANDWIDTHS), encoding="utf-8")
    board = read_profile(path, "new")
    assert board.rates["conv"] == (30e9, 25e9)
    assert board.weight_stream_bytes_per_s == (1e9, 2e9)
    assert board.column_bytes_per_s == (3e9, 4e9)
    assert board.status["weight_stream_bytes_per_s"] == "measured"
    assert capsys.readouterr().err == ""


def test_bandwidths_that_an_old_file_gives_are_kept(tmp_path):
    path = tmp_path / "mixed.yaml"
    path.write_text(written(BY_MAP, BANDWIDTHS), encoding="utf-8")
    board = read_profile(path, "mixed")
    assert board.weight_stream_bytes_per_s == (1e9, 2e9)
    assert board.column_bytes_per_s == (3e9, 4e9)


def test_an_entry_without_rates_is_not_converted():
    speed = {"value": "1 GFLOP/s", "status": "measured"}
    entry = DeviceEntry.model_validate({"description": "x", "sources": ["y"], "speed": speed})
    assert entry.converted() is None

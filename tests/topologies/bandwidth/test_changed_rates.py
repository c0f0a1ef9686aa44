"""Given rates at given times, over a constant or over a varying rate."""

from math import inf

from walks import at, pieces

from cutlayer.topologies.bandwidth import Changed, Table, Tabled, TwoStates


def test_a_constant_until_the_first_change():
    changed = Changed(10.0, ((60.0, 5.0), (30.0, 0.0)))
    profile = changed.profile(0, "a", "a")
    assert list(pieces(profile, 100)) == [(0, 30, 10), (30, 60, 0), (60, 100, 5)]
    assert profile.piece(60.0) == (5.0, inf)
    assert changed.mean_bytes_per_s == 10


def test_a_change_at_zero_replaces_the_base():
    profile = Changed(10.0, ((0.0, 3.0),)).profile(0, "a", "a")
    assert profile.piece(0.0) == (3.0, inf)


def test_a_varying_base_varies_until_the_first_change():
    table = Tabled(Table([0, 2], [1, 2], 4))
    changed = Changed(table, ((5.0, 9.0),))
    profile = changed.profile(0, "a", "a")
    assert list(pieces(profile, 7)) == [(0, 2, 1), (2, 4, 2), (4, 5, 1), (5, 7, 9)]
    assert changed.mean_bytes_per_s == 1.5
    two = TwoStates(3.0, 1.0, 5.0, 5.0)
    changed = Changed(two, ((50.0, 9.0),)).profile(7, "key", "c")
    times = [0.0, 20.0, 49.0]
    assert at(changed, *times) == at(two.profile(7, "key", "c"), *times)
    assert at(changed, 51.0) == [9.0]


def test_a_table_of_one_value_has_no_end():
    assert Table([0.0], [4.0]).piece(3.0) == (4.0, inf)

"""Cases computed by hand, on every solver that fits them."""

from fractions import Fraction
from itertools import pairwise
from math import inf

import pytest
from slow_twin import Route, simulate, star_routes


def ends(resources, routes, starts, **options):
    """Return the end of each transfer; a start is (time, route, bytes), and maybe weight and cap."""
    actions = [
        (start[0], "start", str(k), *start[1:3], *(start[3:] or (1, inf)))
        for k, start in enumerate(starts)
    ]
    actions.sort(key=lambda action: action[0])
    fate, _ = simulate(resources, routes, actions, **options)
    assert all(what == "finished" for what, _ in fate.values())
    return [fate[str(k)][1] for k in range(len(starts))]


@pytest.fixture(params=[False, True], ids=["chosen", "filling"])
def general(request):
    return request.param


ONE_LINK = {"link": 100.0}
TWO_ON_IT = [Route((("link", 1),)), Route((("link", 1),))]


def test_one_megabyte_over_eight_megabit_per_second_takes_one_second(general):
    assert ends({"up": 8e6 / 8}, [Route((("up", 1),))], [(0, 0, 1e6)], general=general) == [1.0]


def test_a_late_joiner_slows_an_early_transfer(general):
    assert ends(ONE_LINK, TWO_ON_IT, [(0, 0, 200), (1, 1, 200)], general=general) == [3, 4]


def test_a_short_transfer_in_the_middle_of_a_long_one(general):
    assert ends(ONE_LINK, TWO_ON_IT, [(0, 0, 500), (1, 1, 100)], general=general) == [6, 3]


def test_two_flows_on_one_route_share_it_without_fifo_and_queue_with_it(general):
    starts = [(0, 0, 200), (1, 0, 200)]
    options = {"general": general}
    assert ends(ONE_LINK, TWO_ON_IT[:1], starts, fifo=False, **options) == [3, 4]
    assert ends(ONE_LINK, TWO_ON_IT[:1], starts, fifo=True, **options) == [2, 4]


def test_a_batch_ends_as_the_formula_says(general):
    """T_k = (sum of the k smallest sizes + (n - k) times the k-th) / C."""
    sizes = [3, 10, 11, 25, 60, 61, 200]
    routes = [Route((("link", 1),)) for _ in sizes]
    got = ends(ONE_LINK, routes, [(0, k, s) for k, s in enumerate(sizes)], general=general)
    n = len(sizes)
    expected = [(sum(sizes[:k]) + (n - k) * sizes[k - 1]) / 100 for k in range(1, n + 1)]
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("links", [1, 2, 5])
def test_in_a_parking_lot_the_long_flow_gets_half(links):
    resources = {f"road{k}": 1.0 for k in range(links)}
    routes = [Route(tuple((name, 1) for name in resources))]
    routes += [Route(((name, 1),)) for name in resources]
    got = ends(resources, routes, [(0, k, 10.0) for k in range(links + 1)])
    assert got == [20.0] * (links + 1)


def test_in_a_wifi_cell_the_slow_station_slows_all(general):
    """Every station gets 1 / sum(1 / r), in either direction."""
    speeds = [54.0, 11.0, 54.0, 2.0]
    routes = [Route((("air", 1 / r),)) for r in speeds]
    each = 1 / sum(1 / r for r in speeds)
    got = ends({"air": 1.0}, routes, [(0, k, 10 * each) for k in range(4)], general=general)
    assert got == pytest.approx([10.0] * 4, rel=1e-12)


def test_in_a_cell_with_proportional_fairness_each_gets_its_rate_over_n(general):
    speeds = [90.0, 30.0, 6.0]
    routes = [Route((("cell", 1 / r),)) for r in speeds]
    starts = [(0, k, 10 * r / 3, r, inf) for k, r in enumerate(speeds)]
    assert ends({"cell": 1.0}, routes, starts, general=general) == pytest.approx([10.0] * 3)


def test_what_a_slow_link_leaves_goes_to_the_others(general):
    resources = {"link0": 10.0, "link1": inf, "link2": inf, "server": 100.0}
    starts = [(0, 0, 100.0), (0, 1, 450.0), (0, 2, 900.0)]
    # 10 + 45 + 45 until the second ends at 10, with the first; then the last one has all of it.
    assert ends(resources, star_routes(3), starts, general=general) == [10, 10, 14.5]


def test_weights_share_in_proportion(general):
    starts = [(0, 0, 300.0, 3, inf), (0, 1, 200.0, 1, inf)]
    assert ends(ONE_LINK, TWO_ON_IT, starts, general=general) == [4.0, 5.0]


def test_a_flow_of_no_bytes_ends_at_once_and_in_its_turn():
    routes = [Route((("link", 1),))]
    assert ends(ONE_LINK, routes, [(2, 0, 0)]) == [2]
    assert ends(ONE_LINK, routes, [(0, 0, 100), (0, 0, 0), (0.5, 0, 0), (0.5, 0, 50)]) == [
        1, 1, 1, 1.5,
    ]  # fmt: skip


def test_without_limits_nothing_takes_time(general):
    resources = {"link0": inf, "link1": inf, "server": inf}
    starts = [(3, 0, 1e12), (3, 1, 1.0), (3, 0, 5.0)]
    assert ends(resources, star_routes(2), starts, general=general) == [3, 3, 3]


def test_an_outage_holds_transfers_up(general):
    actions = [
        (0, "start", "f", 0, 300, 1, inf),
        (0, "start", "g", 1, 100, 1, inf),
        (1, "capacity", "server", 0.0),
        (5, "capacity", "server", 100.0),
    ]
    resources = {"link0": inf, "link1": inf, "server": 100.0}
    fate, _ = simulate(resources, star_routes(2), actions, general=general)
    assert fate == {"g": ("finished", 6), "f": ("finished", 8)}
    fate, _ = simulate(resources, star_routes(2), actions[:3], general=general)
    assert fate == {"f": ("left", 250), "g": ("left", 50)}


def test_a_private_link_may_change_too(general):
    actions = [
        (0, "start", "f", 0, 300, 1, inf),
        (1, "capacity", "link0", 10.0),
        (3, "capacity", "link0", inf),
    ]
    for resources in ({"link0": 50.0, "server": 100.0}, {"link0": 50.0, "server": inf}):
        fate, _ = simulate(resources, star_routes(1), actions, general=general)
        assert fate["f"][1] == pytest.approx(3 + 230 / resources["server"])


def test_cancelling_gives_the_rest_back_and_the_capacity_to_the_others(general):
    actions = [
        (0, "start", "f", 0, 200, 1, inf),
        (0, "start", "g", 1, 200, 1, inf),
        (2, "cancel", "f"),
    ]
    fate, _ = simulate(ONE_LINK, TWO_ON_IT, actions, general=general)
    assert fate == {"f": ("cancelled", 100), "g": ("finished", 3)}


def test_cancelling_frees_the_route_for_the_next(general):
    actions = [
        (0, "start", "f", 0, 200, 1, inf),
        (0, "start", "never", 0, 50, 1, inf),
        (0, "start", "g", 0, 100, 1, inf),
        (1, "cancel", "never"),
        (1, "cancel", "f"),
    ]
    fate, _ = simulate(ONE_LINK, TWO_ON_IT, actions, general=general)
    assert fate == {"never": ("cancelled", 50), "f": ("cancelled", 100), "g": ("finished", 2)}


def test_a_cap_that_doubles_is_a_slow_start(general):
    """100 bytes in the first second, 200 in the second, 400 in the third, then half of 800."""
    actions = [(0, "start", "f", 0, 1100, 1, 100)]
    actions += [(k, "cap", "f", 100 * 2**k) for k in (1, 2, 3)]
    fate, _ = simulate({"link": 1e6}, TWO_ON_IT, actions, general=general)
    assert fate == {"f": ("finished", 3.5)}


def test_in_fractions_the_oracles_are_exact(general):
    thirds = [(Fraction(0), k, Fraction(1, 3)) for k in range(3)]
    routes = [Route((("link", Fraction(1)),)) for _ in range(3)]
    options = {"general": general, "start_at": Fraction(0)}
    assert ends({"link": Fraction(7)}, routes, thirds, **options) == [Fraction(1, 7)] * 3


def test_nothing_overtakes_on_a_route():
    starts = [(k / 10, 0, size) for k, size in enumerate([50, 1, 30, 1, 1, 80])]
    got = ends(ONE_LINK, TWO_ON_IT, starts)
    assert all(earlier < later for earlier, later in pairwise(got))

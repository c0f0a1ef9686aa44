"""The use of links in a round, from the log alone: bytes, busy time, simultaneous transfers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Intervals, Phase
from cutlayer.sim.log.link_use import ClientRoutes, LinkTotals


def up(member, start, end, size, activity=Activity.ACTIVATION, dropped=0):
    sent = Interval(start, end, member, Phase.UPLINK, SERVER, activity, NO_CAUSE, size, size)
    return sent._replace(delay=0.5, dropped=dropped)


def down(member, start, end, size):
    received = up(member, start, end, size, Activity.GRADIENT)
    return received._replace(actor=SERVER, phase=Phase.DOWNLINK, peer=member)


def client_routes(count=3, shared=(("server", 1.0),)):
    ups = [((f"c{i}.up", 1.0), *shared) for i in range(count)]
    downs = [((f"c{i}.down", 1.0), *shared) for i in range(count)]
    return ClientRoutes(ups, downs)


def test_own_and_shared_links():
    log = Intervals.from_rows(
        [up(0, 0, 2, 20), up(1, 1, 3, 30), down(0, 2, 4, 5), up(0, 10, 11, 7, dropped=1)]
    )
    made = client_routes()
    found = made.uses(log, (2, 0), {"server": 3.5, "c2.up": 2.0})
    named = {made.name(key, (2, 0)): use for key, use in found.items()}
    assert set(named) == {"c2.up", "c0.up", "c2.down", "server"}
    assert named["c2.up"].wire_bytes == 27
    assert named["c2.up"].busy_s == pytest.approx(3)
    assert named["c2.up"].bottleneck_s == 2
    assert named["c0.up"].bottleneck_s == 0
    server = named["server"]
    assert server.wire_bytes == 62
    assert server.busy_s == pytest.approx(4 + 1)
    assert server.flow_s == pytest.approx(2 + 2 + 2 + 1)
    assert (server.peak, server.bottleneck_s) == (2, 3.5)


def test_equal_rounds_of_other_clients_share_the_keys():
    log = Intervals.from_rows([up(0, 0, 2, 20), up(1, 1, 3, 30)])
    made = client_routes()
    one, other = made.uses(log, (0, 1), {}), made.uses(log, (1, 2), {})
    assert one == other
    assert {made.name(key, (1, 2)) for key in one} == {"c1.up", "c2.up", "server"}


def test_one_client_with_a_half_duplex_link_has_one_resource_for_both_directions():
    made = ClientRoutes([(("c0.link", 1.0),)], [(("c0.link", 1.0),)])
    log = Intervals.from_rows([up(0, 0, 2, 20), down(0, 1, 4, 5)])
    ((key, use),) = made.uses(log, (0,), {}).items()
    assert made.name(key, (0,)) == "c0.link"
    assert (use.wire_bytes, use.peak, use.busy_s) == (25, 2, 4)


def test_airtime_is_consumed_by_each_at_its_own_rate():
    ups = [(("cell", 0.1),), (("cell", 0.5),)]
    log = Intervals.from_rows([up(0, 0, 2, 10), up(1, 0, 2, 1)])
    ((_, use),) = ClientRoutes(ups, ups).uses(log, (0, 1), {}).items()
    assert use.consumed == pytest.approx(10 * 0.1 + 1 * 0.5)


def test_opening_a_connection_crosses_no_link():
    log = Intervals.from_rows([up(0, 0, 2, 0, activity=Activity.CONNECT)])
    assert client_routes().uses(log, (0,), {}) == {}


def test_a_transfer_that_starts_as_another_ends_does_not_overlap_it():
    log = Intervals.from_rows([up(0, 0, 2, 1), up(1, 2, 3, 1)])
    use = client_routes().uses(log, (0, 1), {})["server"]
    assert (use.busy_s, use.peak) == (3, 1)


spans = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 9), st.integers(0, 99)),
    min_size=1,
    max_size=20,
)


@given(spans=spans)
def test_against_counting_second_by_second(spans):
    rows = [up(member, start, start + length, size) for member, start, length, size in spans]
    use = client_routes().uses(Intervals.from_rows(rows), (0, 1, 2), {})["server"]
    running = np.zeros(40, int)
    for _, start, length, _ in spans:
        running[start : start + length] += 1
    assert use.busy_s == (running > 0).sum()
    assert use.flow_s == running.sum()
    assert use.peak == running.max()
    assert use.wire_bytes == sum(size for *_, size in spans)


def test_totals_add_up():
    log = Intervals.from_rows([up(0, 0, 2, 20), up(1, 1, 3, 30)])
    use = client_routes().uses(log, (0, 1), {"server": 1.5})["server"]
    total = LinkTotals()
    total.add(use)
    total.add(use)
    assert (total.wire_bytes, total.busy_s, total.flow_s) == (100, 6, 8)
    assert (total.peak, total.bottleneck_s, total.consumed) == (2, 3, 100)

"""Multicast: one flow over a tree of links, each of which carries its bytes once."""

from collections.abc import Mapping, Sequence
from math import inf

import pytest
import simpy
from slow_twin import Route

from cutlayer.sim.network import Flow, Network

STAR = {"up": 100.0, "a": 50.0, "b": 20.0, "c": 40.0}
TO = [Route((("up", 1), (name, 1))) for name in "abc"]


def network_of(
    resources: Mapping[str, float] = STAR, routes: Sequence[Route] = TO, **options: object
) -> Network:
    return Network(simpy.Environment(), resources, routes, **options)  # type: ignore[arg-type]


def finished(network: Network, *flows: Flow) -> list[float]:
    network.env.run(network.env.all_of([flow.done for flow in flows]))
    return [flow.finish_s for flow in flows]


def test_the_slowest_branch_sets_the_rate() -> None:
    network = network_of()
    assert finished(network, network.start(network.tree((0, 1)), 100)) == [5.0]
    assert finished(network, network.start(network.tree((2, 0)), 100)) == [5.0 + 2.5]


def test_a_shared_link_carries_the_bytes_once() -> None:
    """Ten unicasts of 100 bytes take 100 s on a link of 10 bytes/s, and a multicast takes 10 s."""
    resources = {"trunk": 10.0} | {f"last{i}": 1000.0 for i in range(10)}
    routes = [Route((("trunk", 1), (f"last{i}", 1))) for i in range(10)]
    network = network_of(resources, routes)
    assert finished(network, *(network.start(i, 100) for i in range(10))) == [100.0] * 10
    (end,) = finished(network, network.start(network.tree(range(10)), 100))
    assert end == pytest.approx(110.0)


def test_the_tree_of_one_route_is_that_route() -> None:
    network = network_of()
    assert network.tree([1]) == network.tree([1, 1]) == 1
    assert network.branches(1) == (1,)


def test_a_tree_is_formed_once_and_knows_its_branches() -> None:
    network = network_of()
    tree = network.tree((2, 0))
    assert network.tree((0, 2)) == tree != network.tree((0, 1))
    assert network.branches(tree) == (0, 2)


@pytest.mark.parametrize("general", [False, True])
def test_it_competes_as_one_flow_on_each_of_its_links(general: bool) -> None:
    """On `up` (60) the multicast to a and b is bound to b's 20, and the unicast to c gets 40.

    A second unicast, to a, then shares `up`: 20 for the multicast, 20 each for the others.
    """
    resources = STAR | {"up": 60.0, "c": inf}
    network = network_of(resources, general=general)
    many, one = network.start(network.tree((0, 1)), 1000), network.start(2, 1000)
    network.env.run(1)
    assert (network.rate(many), network.rate(one)) == (20, 40)
    other = network.start(0, 1000)
    network.env.run(2)
    assert [network.rate(flow) for flow in (many, one, other)] == [20, 20, 20]
    assert network.check_allocation() == 3


def test_it_shares_a_last_hop_with_a_transfer_to_that_receiver_only() -> None:
    network = network_of({"a": 10.0, "b": 100.0}, [Route((("a", 1),)), Route((("b", 1),))])
    alone, other = network.start(0, 100), network.start(1, 100)
    network.env.run(0.5)  # 95 and 50 bytes are left
    many = network.start(network.tree((0, 1)), 20)
    network.env.run(0.6)
    assert [network.rate(flow) for flow in (alone, other, many)] == [5, 95, 5]
    assert finished(network, alone, other, many) == pytest.approx(
        [0.5 + 4 + 7.5, 0.5 + 50 / 95, 4.5]
    )


def test_on_a_medium_it_is_sent_at_the_rate_of_the_slowest_station() -> None:
    routes = [Route((("air", 1 / rate),)) for rate in (54.0, 6.0, 11.0)]
    network = network_of({"air": 1.0}, routes)
    assert finished(network, network.start(network.tree((0, 2)), 110)) == pytest.approx([10])
    (end,) = finished(network, network.start(network.tree((0, 1, 2)), 6))
    assert end == pytest.approx(11)


def test_it_has_the_least_weight_of_its_routes() -> None:
    routes = [Route((("link", 1),))] * 3
    network = network_of({"link": 90.0}, routes, weights=[3, 1, 2])
    many, one = network.start(network.tree((0, 1)), 900), network.start(2, 900)
    network.env.run(1)
    assert (network.rate(many), network.rate(one)) == (30, 60)


def test_a_cancelled_multicast_gives_its_capacity_back() -> None:
    network = network_of(STAR | {"up": 20.0})
    many, one = network.start(network.tree((0, 1)), 100), network.start(2, 100)
    network.env.run(2)
    assert network.cancel(many) == pytest.approx(80)
    assert finished(network, one) == [2 + 80 / 20]


def test_links_that_change_are_followed() -> None:
    network = network_of()
    many = network.start(network.tree((0, 1)), 100)
    network.env.run(1)
    network.set_capacity("b", 40.0)
    assert finished(network, many) == [3.0]

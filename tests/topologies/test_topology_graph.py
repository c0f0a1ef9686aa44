import math
from itertools import permutations

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology
from cutlayer.topologies.parts import Link, Medium, Node, Route, TopologyError
from cutlayer.topologies.queueing import Queueing, QueueingError

PI = DeviceProfile.from_speed("pi", 1e9)
BIG = DeviceProfile.from_speed("big", 1e12)
SERVER = Node("server", "server", BIG)
A = Node("a", "client", PI)
B = Node("b", "client", PI)


def pair(source, target, rate=1e6, delay_s=0.01, medium=None):
    return [
        Link(f"{source}->{target}", source, target, rate, delay_s, medium),
        Link(f"{target}->{source}", target, source, rate, delay_s, medium),
    ]


def test_a_route_adds_delays_and_lists_the_links_in_order():
    relay = Node("relay", "relay")
    links = pair("a", "relay", 2e6, 0.01) + pair("relay", "server", 5e6, 0.02)
    topology = Topology([SERVER, A, relay], links)
    assert topology.clients == ("a",)
    assert topology.server == "server"
    assert topology.route("a", "server") == Route(
        (("a->relay", 1.0), ("relay->server", 1.0)), pytest.approx(0.03)
    )
    assert topology.route("server", "a").resources == (("server->relay", 1.0), ("relay->a", 1.0))
    assert topology.resources == {
        "a->relay": 2e6,
        "relay->a": 2e6,
        "relay->server": 5e6,
        "server->relay": 5e6,
    }


def test_the_client_index_is_the_order_given():
    topology = Topology([B, SERVER, A], pair("a", "server") + pair("b", "server"))
    assert topology.clients == ("b", "a")


def test_the_route_of_least_delay_wins_over_that_of_fewest_links():
    relays = [Node("x", "relay"), Node("y", "relay")]
    links = pair("a", "server", delay_s=1.0)
    links += pair("a", "x", delay_s=0.1) + pair("x", "y", delay_s=0.1)
    links += pair("y", "server", delay_s=0.1)
    route = Topology([SERVER, A, *relays], links).route("a", "server")
    assert [resource for resource, _ in route.resources] == ["a->x", "x->y", "y->server"]


def test_of_equal_delays_the_fewest_links_win_and_then_the_names_in_any_order_given():
    names = ["m", "k", "n"]
    for order in permutations(names):
        relays = [Node(name, "relay") for name in order]
        links = [link for name in order for link in pair("a", name, delay_s=0.25)]
        links += [link for name in order for link in pair(name, "server", delay_s=0.25)]
        topology = Topology([SERVER, A, *relays], links)
        assert [link.target for link in topology.path("a", "server")] == ["k", "server"]
        assert [link.target for link in topology.path("server", "a")] == ["k", "a"]
        direct = Topology([SERVER, A, *relays], links + pair("a", "server", delay_s=0.5))
        assert len(direct.path("a", "server")) == 1


def test_routes_without_delay_have_no_cycles():
    relays = [Node(name, "relay") for name in "xyz"]
    links = pair("a", "x", delay_s=0) + pair("x", "y", delay_s=0) + pair("y", "z", delay_s=0)
    links += pair("z", "x", delay_s=0) + pair("z", "server", delay_s=0)
    topology = Topology([SERVER, A, *relays], links)
    assert [link.target for link in topology.path("a", "server")] == ["x", "z", "server"]
    assert topology.route("a", "server").delay_s == 0


@given(st.integers(0, 2**32 - 1))
def test_least_delays_are_those_of_an_independent_search(seed):
    random = networkx.gnp_random_graph(8, 0.4, seed=seed)
    names = ["server", "a", *"defghi"]
    nodes = [SERVER, A] + [Node(name, "relay") for name in names[2:]]
    links = []
    for k, (i, j) in enumerate(sorted(random.edges)):
        links += pair(names[i], names[j], delay_s=(1 + (seed >> k) % 5) / 4)
    delay = {(link.source, link.target): link.delay_s for link in links}
    best = dict.fromkeys(names, math.inf) | {"server": 0.0}
    for _ in names:  # Bellman and Ford
        for (source, target), seconds in delay.items():
            best[source] = min(best[source], best[target] + seconds)
    if math.isinf(best["a"]):
        with pytest.raises(TopologyError, match="no route from 'a' to 'server'"):
            Topology(nodes, links)
        return
    topology = Topology(nodes, links)
    for name in names[1:]:
        if math.isfinite(best[name]):
            assert topology.route(name, "server").delay_s == best[name]
            assert topology.route("server", name).delay_s == best[name]


def test_links_that_name_a_medium_draw_on_it_alone():
    links = pair("a", "server", 3e6, 0, "air") + pair("b", "server", 3e6, 0, "air")
    topology = Topology([SERVER, A, B], links, [Medium("air", 3e6)])
    assert topology.resources == {"air": 3e6}
    for client in "ab":
        assert topology.route(client, "server").resources == (("air", 1.0),)
        assert topology.route("server", client).resources == (("air", 1.0),)


def test_a_link_slower_than_its_medium_is_limited_by_both():
    topology = Topology([SERVER, A], pair("a", "server", 1e6, 0, "air"), [Medium("air", 3e6)])
    assert topology.route("a", "server").resources == (("a->server", 1.0), ("air", 1.0))
    assert topology.resources == {"a->server": 1e6, "air": 3e6, "server->a": 1e6}


def test_airtime_is_consumed_by_the_byte_at_the_rate_of_the_link():
    links = pair("a", "server", 8e6, 0, "air") + pair("b", "server", 2e6, 0, "air")
    topology = Topology([SERVER, A, B], links, [Medium("air", None)])
    assert topology.resources == {"air": 1.0}
    assert topology.route("a", "server").resources == (("air", 1 / 8e6),)
    assert topology.route("server", "b").resources == (("air", 1 / 2e6),)


def test_a_medium_that_a_route_crosses_twice_is_consumed_twice():
    relay = Node("relay", "relay")
    links = pair("a", "relay", 2e6, 0, "air") + pair("relay", "server", 2e6, 0, "air")
    topology = Topology([SERVER, A, relay], links, [Medium("air", 2e6)])
    assert topology.route("a", "server").resources == (("air", 2.0),)


def test_an_unlimited_link_is_not_a_resource():
    topology = Topology([SERVER, A], pair("a", "server", math.inf))
    assert topology.resources == {}
    assert topology.route("a", "server") == Route((), 0.01)


def test_a_one_way_link_is_not_taken_backwards():
    relay = Node("relay", "relay")
    links = [Link("up", "a", "server", 1e6, 0.0), Link("out", "server", "relay", 2e6, 0.0)]
    links += [Link("in", "relay", "a", 3e6, 0.0)]
    topology = Topology([SERVER, A, relay], links)
    assert topology.route("a", "server").resources == (("up", 1.0),)
    assert topology.route("server", "a").resources == (("out", 1.0), ("in", 1.0))


@pytest.mark.parametrize(
    ("nodes", "links", "media", "problem"),
    [
        ([SERVER, A, B], pair("a", "server"), [], "no route from 'b' to 'server'"),
        ([SERVER, A], pair("a", "server")[:1], [], "no route from 'server' to 'a'"),
        ([SERVER, A], pair("a", "server")[1:], [], "no route from 'a' to 'server'"),
        ([SERVER, A, A], pair("a", "server"), [], "two nodes named 'a'"),
        ([SERVER, A], pair("a", "server") * 2, [], "two links named 'a->server'"),
        (
            [SERVER, A],
            [*pair("a", "server"), Link("again", "a", "server", 1e6, 0)],
            [],
            "two links from 'a' to 'server'",
        ),
        ([SERVER, A], pair("a", "sever"), [], "unknown node 'sever'; did you mean 'server'"),
        (
            [SERVER, A],
            pair("a", "server", medium="air"),
            [Medium("aire", 1e6)],
            "unknown medium 'air'; did you mean 'aire'",
        ),
        ([SERVER, A], pair("a", "server"), [Medium("air", 1e6)], "'air' is used by no link"),
        (
            [SERVER, A],
            pair("a", "server", medium="a->server"),
            [Medium("a->server", 1e6)],
            "name of a link and of a medium",
        ),
        ([SERVER, A], pair("a", "server", medium="m"), [Medium("m", 1e6)] * 2, "two media"),
        ([A, B], pair("a", "b"), [], "expected one server, got none"),
        ([SERVER, Node("s", "server", BIG), A], pair("a", "s"), [], "got server, s"),
        ([SERVER], [], [], "there is no client"),
        ([SERVER, A], [Link("l", "a", "a", 1.0, 0)], [], "link 'l' leads from 'a' to itself"),
    ],
)
def test_an_invalid_topology_is_refused(nodes, links, media, problem):
    with pytest.raises(TopologyError, match=problem):
        Topology(nodes, links, media)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Link("l", "a", "b", -1.0, 0), "link 'l' has a rate of -1.0"),
        (lambda: Link("l", "a", "b", 0.0, 0), "link 'l' has a rate of 0.0"),
        (lambda: Link("l", "a", "b", math.nan, 0), "link 'l' has a rate of nan"),
        (lambda: Link("l", "a", "b", 1.0, -0.1), "link 'l' has a delay of -0.1"),
        (lambda: Link("l", "a", "b", 1.0, math.inf), "link 'l' has a delay of inf"),
        (lambda: Medium("m", -1.0), "medium 'm' has a rate of -1.0"),
        (lambda: Medium("m", math.nan), "medium 'm' has a rate of nan"),
        (lambda: Node("n", "clint", PI), "unknown role 'clint'; did you mean 'client'"),
        (lambda: Queueing("lifo"), "unknown discipline 'lifo'; did you mean 'fifo'"),
        (lambda: Queueing(slot_speed="half"), "unknown slot speed 'half'; known are whole, share"),
        (lambda: Queueing("batching", most=0), "takes 1 job or more"),
        (lambda: Queueing("batching", most=2, wait_s=math.inf), "waits for a finite time"),
        (lambda: Node("n", "server", PI, 0), "has 0 slots"),
        (lambda: Node("n", "client"), "client 'n' has no device"),
        (lambda: Node("n", "server"), "server 'n' has no device"),
    ],
)
def test_an_invalid_part_is_refused(make, problem):
    with pytest.raises((TopologyError, QueueingError), match=problem):
        make()


def test_an_unknown_node_is_refused_with_the_closest_name():
    topology = Topology([SERVER, A], pair("a", "server"))
    with pytest.raises(TopologyError, match="no node 'serve'; did you mean 'server'"):
        topology.route("a", "serve")


def clients_on(links, media=(), devices=(PI, PI), extra=()):
    nodes = [SERVER, Node("a", "client", devices[0]), Node("b", "client", devices[1]), *extra]
    topology = Topology(nodes, links, media)
    return topology.route_class("a"), topology.route_class("b")


def test_clients_on_equal_private_links_are_interchangeable():
    a, b = clients_on(pair("a", "server") + pair("b", "server"))
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize(
    "other", [pair("b", "server", rate=2e6), pair("b", "server", delay_s=0.02)]
)
def test_clients_on_links_of_another_rate_or_delay_are_not(other):
    a, b = clients_on(pair("a", "server") + other)
    assert a != b


def test_clients_on_other_devices_are_not():
    a, b = clients_on(pair("a", "server") + pair("b", "server"), devices=(PI, BIG))
    assert a != b
    slower = DeviceProfile.from_speed("pi", 5e8)
    a, b = clients_on(pair("a", "server") + pair("b", "server"), devices=(PI, slower))
    assert a != b


def test_swapping_up_and_down_makes_a_difference():
    crossed = [Link("b->server", "b", "server", 2e6, 0.01)]
    crossed += [Link("server->b", "server", "b", 1e6, 0.01)]
    straight = [Link("a->server", "a", "server", 1e6, 0.01)]
    straight += [Link("server->a", "server", "a", 2e6, 0.01)]
    a, b = clients_on(straight + crossed)
    assert a != b


def test_clients_that_share_a_medium_are_interchangeable_and_those_that_do_not_are_not():
    shared = pair("a", "server", medium="air") + pair("b", "server", medium="air")
    a, b = clients_on(shared, [Medium("air", 1e6)])
    assert a == b
    apart = pair("a", "server", medium="air") + pair("b", "server", medium="ether")
    third = Node("c", "client", PI), Node("d", "client", PI)
    apart += pair("c", "server", medium="air") + pair("d", "server", medium="ether")
    a, b = clients_on(apart, [Medium("air", 1e6), Medium("ether", 1e6)], extra=third)
    assert a != b


def test_a_half_duplex_link_is_not_the_same_as_two_of_its_rate():
    half = pair("a", "server", medium="air") + pair("b", "server")
    a, b = clients_on(half, [Medium("air", 1e6)])
    assert a != b


def test_a_class_tells_airtime_from_bytes():
    links = pair("a", "server", medium="x") + pair("b", "server", medium="y")
    a, b = clients_on(links, [Medium("x", 1e6), Medium("y", None)])
    assert a != b

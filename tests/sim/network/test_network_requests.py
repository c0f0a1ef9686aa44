"""Requests to the network: their results, and those that it refuses."""

import pickle
from math import inf, nan

import pytest
import simpy
from slow_twin import Route, simulate, star_routes

from cutlayer.sim.network import AllocationError, Network, NetworkError, StalledClockError

STAR = ({"link0": 3.0, "link1": 9.0, "link2": inf, "server": 10.0}, star_routes(3))


def test_a_flow_has_its_times_and_bytes():
    env = simpy.Environment()
    network = Network(env, {"link": 10.0}, [Route((("link", 1),), delay_s=5.0)])
    first, second = network.start(0, 30), network.start(0, 20)
    assert (first.state, second.state) == ("sending", "waiting")
    assert network.rate(first) == 10
    assert network.rate(second) == 0
    assert env.run(second.done) is second
    assert (second.queued_s, second.start_s, second.finish_s) == (0, 3, 5)
    assert network.left_bytes(second) == network.cancel(second) == 0
    assert repr(second) == "<flow 2: 20 bytes on route 0, finished>"


def test_a_cancelled_flow_is_never_done():
    env = simpy.Environment()
    network = Network(env, *STAR)
    flow = network.start(0, 30)
    assert network.cancel(flow) == 30
    assert network.cancel(flow) == 30
    env.run()
    assert not flow.done.triggered
    assert network.in_flight() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, -1), "size -1"),
        ((0, nan), "size nan"),
        ((0, inf), "size inf"),
        ((0, 1, 0), "weight 0"),
        ((0, 1, inf), "weight inf"),
        ((0, 1, 1, -2), "cap -2"),
        ((0, 1, 1, nan), "cap nan"),
        ((3, 1), "no route 3: the network has 3 routes"),
        ((-1, 1), "no route -1"),
    ],
)
def test_a_wrong_transfer_is_refused(arguments, message):
    network = Network(simpy.Environment(), *STAR)
    with pytest.raises(NetworkError, match=message):
        network.start(*arguments)


def test_wrong_worlds_are_refused():
    env = simpy.Environment()
    with pytest.raises(NetworkError, match=r"route 0 .* 'servr'; did you mean 'server'\?"):
        Network(env, {"server": 1}, [Route((("servr", 1),))])
    with pytest.raises(NetworkError, match=r"resource 'server': the capacity .* got -1"):
        Network(env, {"server": -1}, [])
    for wrong in (0, -1, nan, inf):
        with pytest.raises(NetworkError, match="route 0 on resource 'server': the consumption"):
            Network(env, {"server": 1}, [Route((("server", wrong),))])
    network = Network(env, {"server": 1}, [Route((("server", 1),))])
    with pytest.raises(NetworkError, match=r"no resource 'servre'; did you mean 'server'\?"):
        network.set_capacity("servre", 1)
    with pytest.raises(NetworkError, match="capacity must be 0 or more"):
        network.set_capacity("server", nan)
    with pytest.raises(NetworkError, match="a cap must be 0 or more"):
        network.set_cap(network.start(0, 1), -1)


@pytest.mark.parametrize("error", [AllocationError, NetworkError, StalledClockError])
def test_errors_can_be_rebuilt_as_simpy_does(error):
    original = error("what happened")
    for copy in (type(original)(*original.args), pickle.loads(pickle.dumps(original))):
        assert (type(copy), str(copy)) == (error, "what happened")


def test_a_resource_crossed_twice_counts_twice():
    fate, _ = simulate(
        {"air": 10.0}, [Route((("air", 1), ("air", 1)))], [(0, "start", "f", 0, 10, 1, inf)]
    )
    assert fate == {"f": ("finished", 2)}

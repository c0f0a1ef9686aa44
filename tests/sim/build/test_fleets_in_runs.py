"""Clients in groups give bit-identical runs to the same clients in groups of one, on any topology."""

import copy
import json
from typing import Any

import pytest
from small_scenarios import read

from cutlayer import run
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.build.world import make_method

LINK = {"up": "10 Mbit/s", "down": "25 Mbit/s", "delay": "5 ms"}
JITTERY = LINK | {"jitter": {"gamma": 0.5}, "loss": 0.001}
GROUPS = [
    {"device": "raspberry-pi-4b", "count": 3, "link": LINK},
    {"device": "raspberry-pi-3b-plus", "count": 2, "link": JITTERY},
    {"device": "raspberry-pi-4b", "count": 2, "link": {**LINK, "delay": "6 ms"}},
]
SERVER = {"device": "server-8-core", "slots": 2}
BASE: dict[str, Any] = {
    "name": "groups",
    "data": {"dataset": "digits", "train_samples": 140, "partition": {"sizes": 20}},
    "model": {"name": "lenet", "cut": 1},
    "training": {
        "rounds": 3,
        "clients_per_round": 4,
        "batch_size": 10,
        "optimizer": {"name": "sgd", "lr": 0.05},
    },
    "methods": ["splitfed", {"ecofed": {"init": "random"}}],
}
SHARED = {"up": "20 Mbit/s", "down": "30 Mbit/s", "delay": "1 ms"}
TOPOLOGIES: dict[str, dict[str, Any]] = {
    "star": {"star": {"server": SERVER, "clients": GROUPS}},
    "server link": {"star": {"server": {**SERVER, "link": SHARED}, "clients": GROUPS}},
    "medium": {"star": {"server": SERVER, "clients": GROUPS, "medium": {"rate": "15 Mbit/s"}}},
    "link and medium": {
        "star": {
            "server": {**SERVER, "link": SHARED},
            "clients": GROUPS,
            "medium": {"rate": "15 Mbit/s"},
        }
    },
    "two tiers": {
        "two_tier": {
            "server": SERVER,
            "edge_nodes": [{"link": SHARED, "name": "e", "clients": GROUPS}],
        }
    },
}
MORE: dict[str, dict[str, Any]] = {
    "ideal": {},
    "tcp": {"transport": "tcp"},
    "one on tcp": {"transports": [{"clients": "raspberry-pi-4b-1", "transport": "tcp"}]},
    "speeds": {"speeds": [{"clients": "raspberry-pi-4b", "lognormal": 0.4}]},
    "changes": {"changes": [{"at": "1 s", "clients": "raspberry-pi-4b", "up": "1 Mbit/s"}]},
    "scale": {"scale": {"devices": 2.0, "server": 3.0, "links": 0.5}},
    "dropout": {
        "availability": [
            {
                "clients": "raspberry-pi-4b-1",
                "offline": [{"from": "1 s", "until": "30 s"}],
                "on_disconnect": "resume",
            }
        ]
    },
}


def loaded(document: dict[str, Any]) -> Loaded:
    return read(json.dumps(document))


def apart(topology: dict[str, Any]) -> dict[str, Any]:
    """The same clients, each in a group of its own, so that none represents another."""
    single = copy.deepcopy(topology)
    section = single["star"] if "star" in single else single["two_tier"]["edge_nodes"][0]
    counted: dict[str, int] = {}
    clients = []
    for group in section["clients"]:
        for _ in range(group["count"]):
            number = counted.get(group["device"], 0)
            counted[group["device"]] = number + 1
            clients.append({**group, "count": 1, "name": f"{group['device']}-{number}"})
    section["clients"] = clients
    return single


def outcome(document: dict[str, Any]) -> dict[str, Any]:
    (result,) = run(loaded(document), executor="none")
    return {
        label: (
            method.event_digest,
            method.learning_digest,
            method.virtual_time_s,
            method.links,
            method.link_clients,
            method.rounds,
        )
        for label, method in result.methods.items()
    }


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_groups_run_like_their_clients(topology: str, more: str) -> None:
    extra = copy.deepcopy(MORE[more])
    if topology == "two tiers":  # clients below an edge node have its name as a prefix
        extra = json.loads(json.dumps(extra).replace('"raspberry', '"e.raspberry'))
    one = {**BASE, **extra, "topology": TOPOLOGIES[topology]}
    other = {**BASE, **extra, "topology": apart(TOPOLOGIES[topology])}
    assert outcome(one) == outcome(other)


def test_clients_that_are_not_sampled_are_not_built() -> None:
    """A client that is not sampled costs only its name."""
    many = {"device": "raspberry-pi-4b", "count": 100_000, "link": LINK}
    document = {
        **BASE,
        "data": {
            "dataset": {
                "declared": {"input_shape": [3, 32, 32], "classes": 10, "train_samples": 100_000}
            }
        },
        "topology": {"star": {"server": {**SERVER, "link": SHARED}, "clients": [many]}},
    }
    scenario = loaded(document).scenario
    plan = make_plan(scenario, 0)
    fleet = make_method(plan, scenario.methods[0], None).world.fleet
    assert len(fleet.clients) == 100_000
    assert not list(fleet.clients.computed())
    participants = fleet.sample(0)
    assert [fleet.clients[client].samples for client in participants] == [1] * 4
    assert len(list(fleet.clients.computed())) == 4

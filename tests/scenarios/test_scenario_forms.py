"""The forms of a scenario, each of which is equal after a round trip through its resolved form."""

import json
import math
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cutlayer import scenarios
from cutlayer.scenarios import links, load, load_text, shipped_names
from cutlayer.scenarios.data import Augment
from cutlayer.scenarios.partition import Dirichlet, Iid, Shards, Sizes
from cutlayer.scenarios.training import Constant, Cosine, Exponential, Step

DESIGN = """\
name: four-g-fleet
description: Ten Raspberry Pis on 4G, one GPU server; EcoFed against its baselines.
seed: 0
data: {dataset: digits, partition: {dirichlet: 0.5}, test_fraction: 0.2}
model: {name: vgg5, cut: 1}
training: {rounds: 20, clients_per_round: 5, local_epochs: 1, batch_size: 10,
           optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 1, discipline: fifo}
    clients:
      - {device: raspberry-pi-4b, count: 6, link: {up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms}}
      - {device: raspberry-pi-3b-plus, count: 4, link: 4g}
methods:
  - classic_fl
  - splitfed
  - local_loss
  - fedgkt
  - {ecofed: {period: 2, bits: 8, init: partial}}      # device block from pre-trained weights
  - {ecofed: {period: 2, bits: 8, init: random}, label: "ecofed, random frozen block"}
"""


def round_trip(loaded, known):
    """Return the scenario after a round trip through its resolved form as YAML and as JSON."""
    resolved = loaded.resolved()
    written = yaml.safe_dump(resolved, sort_keys=False)
    again = load_text(written, source="again", **known)
    assert load_text(json.dumps(resolved), source="again", **known).scenario == again.scenario
    assert again.resolved() == resolved
    return again.scenario


def test_a_scenario_in_every_form_it_is_written(known):
    scenario = load_text(DESIGN, source="f", **known).scenario
    assert scenario.client_count == 10
    assert scenario.clients_per_round == 5
    assert scenario.data.partition == Dirichlet(alpha=0.5)
    first, second = scenario.topology.clients
    assert (first.link.up, first.link.down, first.link.delay) == (1.25e6, 3.125e6, 0.025)
    assert second.link == "4g"
    assert [method.label for method in scenario.methods] == [
        "classic_fl",
        "splitfed",
        "local_loss",
        "fedgkt",
        "ecofed",
        "ecofed, random frozen block",
    ]
    assert scenario.methods[4].options.init == "partial"
    assert round_trip(load_text(DESIGN, source="f", **known), known) == scenario


def test_defaults_are_spelled_out_in_the_resolved_form(small, read):
    resolved = read(
        small.replace("seed: 3\n", "").replace("  clients_per_round: 3\n", "")
    ).resolved()
    assert resolved["seed"] == 0
    assert resolved["data"]["partition"] == {"iid": {}}
    assert resolved["data"]["augment"] == {"crop": False, "flip": False}
    assert resolved["training"]["optimizer_state"] == "fresh"
    assert resolved["training"]["lr_schedule"] == {"constant": {}}
    assert resolved["topology"]["star"]["clients"][0]["link"] == {
        "up": "10 Mbit/s",
        "down": "25 Mbit/s",
        "delay": "25 ms",
        "loss": 0.0,
    }
    assert resolved["transport"] == {"ideal": {}}
    options = {"edges": None, "period": 3, "bits": 8, "init": "partial", "order": []}
    assert resolved["methods"][1] == {"ecofed": options, "label": "ours"}
    assert read(small.replace("  clients_per_round: 3\n", "")).scenario.clients_per_round == 5


def test_an_option_of_null_is_not_its_default(small, read, known):
    loaded = read(small.replace("period: 3", "bits: null"))
    assert loaded.scenario.methods[1].options.bits is None
    assert round_trip(loaded, known) == loaded.scenario


@pytest.mark.parametrize(
    ("written", "partition"),
    [
        ("iid", Iid()),
        ("{iid: {}}", Iid()),
        ("{iid: }", Iid()),
        ("{shards: {per_client: 5}}", Shards(per_client=5)),
        ("{shards: {per_client: 5, size: 100}}", Shards(per_client=5, size=100)),
        ("{dirichlet: 1}", Dirichlet(alpha=1.0)),
        ("{dirichlet: {alpha: 0.1, min_samples: 4}}", Dirichlet(alpha=0.1, min_samples=4)),
        ("{sizes: 500}", Sizes(samples=500)),
        ("{sizes: {samples: 500}}", Sizes(samples=500)),
        ("{sizes: [1, 2, 3, 4, 5]}", Sizes(samples=(1, 2, 3, 4, 5))),
    ],
)
def test_partitions(small, read, known, written, partition):
    loaded = read(small.replace("partition: iid", f"partition: {written}"))
    assert loaded.scenario.data.partition == partition
    assert type(loaded.scenario.data.partition) is type(partition)
    assert round_trip(loaded, known) == loaded.scenario


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("constant", Constant()),
        ("{step: {milestones: [50, 80], gamma: 0.1}}", Step(milestones=(50, 80), gamma=0.1)),
        ("cosine", Cosine()),
        ("{cosine: {rounds: 7, min_lr: 1e-4}}", Cosine(rounds=7, min_lr=1e-4)),
        ("{exponential: {gamma: 0.99}}", Exponential(gamma=0.99)),
    ],
)
def test_learning_rate_schedules(small, read, known, written, schedule):
    loaded = read(small.replace("rounds: 2", f"rounds: 2\n  lr_schedule: {written}"))
    assert loaded.scenario.training.lr_schedule == schedule
    assert round_trip(loaded, known) == loaded.scenario


@pytest.mark.parametrize(
    ("written", "augment"),
    [
        ("true", Augment(crop=True, flip=True)),
        ("false", Augment()),
        ("{flip: true}", Augment(flip=True)),
    ],
)
def test_augmentation(small, read, written, augment):
    text = small.replace("partition: iid", f"augment: {written}")
    assert read(text).scenario.data.augment == augment


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("4g", str),
        ("{name: mpsl-8, delay: 10 ms}", links.CatalogueLink),
        ("{up: unlimited, down: 1 GB/s, delay: 0 s}", links.UpDownLink),
        ("{rate: 50 Mbit/s, delay: 2 ms, duplex: half}", links.OneRateLink),
    ],
)
def test_links(small, read, known, written, kind):
    loaded = read(small.replace("link: 4g", f"link: {written}"))
    assert isinstance(loaded.scenario.topology.clients[1].link, kind)
    assert round_trip(loaded, known) == loaded.scenario


def test_an_unlimited_rate_is_infinite(small, read):
    link = read(small.replace("up: 10 Mbit/s", "up: unlimited")).scenario.topology.clients[0].link
    assert math.isinf(link.up)


@pytest.mark.parametrize(
    "topology",
    [
        "star: {server: {device: my-box, slots: 2, link: fcc-fixed-10}, medium: {rate: 9 MB/s},"
        " clients: [{device: my-box, link: 4g, name: a}]}",
        "wifi_cell: {server: {device: laptop-8-core, slots: 2}, rate: 38 Mbit/s, delay: 2 ms,"
        " clients: [{device: my-box, count: 2}]}",
        "wifi_cell: {server: {device: laptop-8-core, slots: 2}, delay: 2 ms, backhaul: us-5g,"
        " clients: [{device: my-box, rate: 6 MB/s}, {device: raspberry-pi-5, rate: 50 Mbit/s}]}",
        "graph: {server: {name: cloud, device: server-8-core, slots: 8, discipline: fifo},"
        " nodes: {ap: relay, pi: {client: {device: my-box, count: 3}}},"
        " media: {air: {rate: 5 MB/s}},"
        " edges: [{from: pi, to: ap, medium: air, delay: 1 ms}, {from: ap, to: cloud, link: 4g}]}",
    ],
)
def test_topologies(small, read, known, topology):
    start, end = small.index("topology:"), small.index("methods:")
    devices = "devices: {my-box: {speed: 5 GFLOP/s, memory: 1 GiB}}\n"
    topology = topology.replace("fcc-fixed-10", "{name: fcc-fixed, delay: 10 ms}")
    text = small[:start] + devices + f"topology: {{{topology}}}\n" + small[end:]
    loaded = read(text.replace("  clients_per_round: 3\n", ""))
    assert loaded.scenario.devices["my-box"].speed == 5e9
    assert loaded.scenario.devices["my-box"].memory == 2**30
    counted = {"a}": 1, "count: 2": 2, "50 Mbit/s": 2, "count: 3": 3}
    assert loaded.scenario.client_count == next(
        n for mark, n in counted.items() if mark in topology
    )
    assert round_trip(loaded, known) == loaded.scenario


def test_a_users_own_objects_are_accepted_by_their_form(small, read, known):
    text = (
        small.replace("name: vgg5", "name: my.nets:Tiny")
        .replace("dataset: digits", "dataset: my_data:Load")
        .replace("- classic_fl", "- my.methods:Mine\n  - {my.methods:Other: {anything: [1]}}")
    )
    loaded = read(text)
    first, second, _ = loaded.scenario.methods
    assert (first.label, first.options) == ("Mine", {})
    assert (second.label, second.options) == ("Other", {"anything": [1]})
    assert round_trip(loaded, known) == loaded.scenario


def test_a_scenario_is_immutable(small, read):
    scenario = read(small).scenario
    with pytest.raises(ValueError, match="frozen"):
        scenario.training.rounds = 9


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_scenarios_load_and_come_back(name, known):
    loaded = load(name, **known)
    assert loaded.scenario.name.replace("-", "_") == name
    assert loaded.scenario.description
    assert round_trip(loaded, known) == loaded.scenario


def test_the_headline_has_the_published_numbers(known):
    scenario = load("ecofed_headline", **known).scenario
    training = scenario.training
    assert (scenario.client_count, training.clients_per_round, training.rounds) == (100, 20, 500)
    assert scenario.data.partition == Shards(per_client=5, size=100)
    assert 5 * 100 * scenario.client_count == 50_000
    assert (training.batch_size, training.optimizer.lr, training.optimizer.momentum) == (
        10,
        0.01,
        0.9,
    )
    assert scenario.methods[-1].options.period == 2


finite = st.floats(min_value=1.0, max_value=1e15, allow_nan=False)


@given(
    up=finite,
    delay=st.floats(min_value=0, max_value=1e6),
    speed=finite,
    memory=st.integers(1, 2**50),
    lr=st.floats(min_value=1e-300, max_value=1e300),
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3, unique=True),
    label=st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=20),
)
def test_quantities_and_names_come_back_to_the_last_bit(
    known, up, delay, speed, memory, lr, seeds, label
):
    document = yaml.safe_load(DESIGN)
    del document["seed"]
    document["seeds"] = seeds
    document["training"]["optimizer"]["lr"] = lr
    document["devices"] = {"mine": {"speed": f"{speed!r} FLOP/s", "memory": f"{memory} B"}}
    link = {"up": f"{up!r} B/s", "down": "1 B/s", "delay": f"{delay!r} s"}
    document["topology"]["star"]["clients"][0]["link"] = link
    document["methods"][-1]["label"] = label
    loaded = load_text(json.dumps(document), source="f", **known)
    scenario = loaded.scenario
    link = scenario.topology.clients[0].link
    own = scenario.devices["mine"]
    assert (link.up, link.delay, own.speed, own.memory) == (up, delay, speed, memory)
    assert scenario.training.optimizer.lr == lr
    assert scenario.all_seeds == tuple(seeds)
    assert scenario.methods[-1].label == label
    again = load_text(json.dumps(loaded.resolved()), source="f", **known)
    assert again.scenario == scenario


def test_the_public_names_exist_and_do_not_import_torch():
    assert [name for name in scenarios.__all__ if not hasattr(scenarios, name)] == []
    code = (
        "import sys; from cutlayer import scenarios; scenarios.shipped_names();"
        " print('torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"

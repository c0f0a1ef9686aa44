"""What is mutated: shipped scenarios and studies, and small files of every kind that is read."""

import json
from dataclasses import dataclass
from pathlib import Path

from cutlayer.scenarios.shipped import shipped_names, shipped_path, shipped_studies, study_path

HEAD = """\
name: rich
description: a little of everything
data: {dataset: digits, partition: {shards: {per_client: 2}}, test_fraction: 0.2,
       train_samples: 100, augment: {crop: true, flip: false}}
model: {name: lenet, cut: 2, frozen: [conv1.*], frozen_type: bfloat16, download_frozen: true}
training:
  rounds: 1
  batch_size: 10
  optimizer: {name: sgd, lr: 0.01, momentum: 0.9, weight_decay: 0.001, nesterov: true}
  lr_schedule: {step: {milestones: [1, 2], gamma: 0.1}}
  targets: [0.5]
"""
BARE = """\
name: bare
data: {dataset: digits, partition: {sizes: 10}, test_fraction: 0.2}
model: {name: lenet, cut: 1, trainable: [conv*],
        lora: {rank: 2, alpha: 4, targets: [fc*], dropout: 0.1}}
training: {rounds: 1, batch_size: 10, optimizer: {name: adam, lr: 0.01}}
"""
METHODS = """\
methods:
  - classic_fl
  - {splitfed: {}, label: sf}
  - split_learning
  - centralised
  - local_loss
  - {ecofed: {period: 2, bits: 8, init: random}, label: ours}
"""
STAR = """\
devices:
  mine: {speed: 5 GFLOP/s, memory: 4 GiB, description: x, power: {idle: 2 W, compute: 5.3 W, send: 4 W}}
topology:
  star:
    server: {device: server-8-core, slots: 1, discipline: {batching: {max_jobs: 4, max_wait: 10 ms}}}
    medium: {rate: 38 Mbit/s}
    clients:
      - {device: mine, count: 2, name: edge, link: {up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms,
         jitter: {gamma: 0.5}, loss: 0.1 %}}
      - {device: raspberry-pi-4b, link: 4g}
availability:
  - {clients: edge, on_disconnect: resume, offline: [{from: 1 s, until: 2 s}], repeat: 1 min}
computing:
  - {clients: edge, variability: {lognormal: 0.1}, throttle: {after: 1 s, slowdown: 2.5}, prefetch: true}
speeds: [{clients: edge, lognormal: 0.2}]
changes: [{at: 3 s, clients: edge, up: 1 Mbit/s}]
scale: {devices: 1, links: 2, delays: 0.5, server: 1, framing: 2}
stop: {virtual_time: 1 h}
transport: {tcp: {}}
seeds: [1, 2]
"""
CELLS = """\
topology:
  cells:
    server: {device: server-8-core, slots: 2, discipline: {priority: [raspberry-pi-4b]}}
    cells:
      - wifi: {rate: 20 Mbit/s, delay: 2 ms, clients: [{device: raspberry-pi-4b, count: 2}],
               backhaul: {up: 100 Mbit/s, down: 100 Mbit/s, delay: 5 ms}}
      - cellular: {count: 2, delay: 20 ms, backhaul: {rate: 1 Gbit/s, delay: 1 ms, duplex: full},
                   clients: [{device: raspberry-pi-4b, up: 10 Mbit/s, down: 50 Mbit/s, name: far}]}
"""
TIERS = """\
topology:
  three_tier:
    server: {device: server-8-core, slots: 1}
    regions:
      - link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 5 ms}
        edge_nodes:
          - {count: 2, link: {up: 100 Mbit/s, down: 100 Mbit/s, delay: 1 ms},
             clients: [{device: raspberry-pi-4b, count: 1, link: {name: 4g, loss: 0.01}}]}
"""
RING = """\
topology:
  ring:
    server: {device: server-8-core, slots: 1, discipline: processor_sharing, slot_speed: share}
    sites: 3
    server_at: 1
    link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 5 ms}
    clients: [{device: raspberry-pi-4b, link: {up: {markov: {good: 10 Mbit/s, bad: 1 Mbit/s,
      good_for: 2 s, bad_for: 1 s}}, down: {lognormal: {mean: 10 Mbit/s, cv: 0.5, step: 100 ms,
      correlation: 0.9}}, delay: 10 ms}}]
"""
GRAPH = """\
topology:
  graph:
    server: {device: server-8-core, slots: 1, name: srv}
    media: {air: {rate: 38 Mbit/s}}
    nodes: {a: {client: {device: raspberry-pi-4b, count: 2}}, r: relay}
    edges:
      - {from: a, to: r, medium: air, delay: 2 ms}
      - {from: r, to: srv, link: {up: {steps: [{at: 0 s, rate: 10 Mbit/s}, {at: 1 s, rate: 0 bit/s},
         {at: 2 s, rate: 5 Mbit/s}], repeat: 10 s}, down: 4 Mbit/s, delay: 5 ms}}
    routing: hops
"""
TRACED = """\
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 2, link: {up: {trace: FILE}, down: 5 Mbit/s, delay: 5 ms}}
"""
RECORDED = """\
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, name: a, link: 4g}]
availability: [{clients: a, on_disconnect: drop, trace: FILE, match: position, repeat: 1 h}]
"""
SCORED = """\
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, name: a, link: 4g}]
speeds: [{clients: a, scores: FILE, column: score}]
"""
PROFILED = """\
devices: {mine: {profile: FILE}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: mine, count: 2, link: 4g}]
"""
NETWORKED = """\
topology:
  network_file:
    file: FILE
    server: {device: server-8-core, slots: 1, at: Bern}
    clients: [{device: raspberry-pi-4b, at: all, link: 4g}]
    rate: {attribute: {name: speed, unit: Mbit/s, otherwise: 10 Mbit/s}}
    delay: {distance: {detour: 1.5}}
"""
RADIO = """\
codec: {up: {aq_sgd: {bits: 4}}, down: {int: {bits: 8, per: channel}}}
topology:
  radio_cell:
    server: {device: server-8-core, slots: 2}
    delay: 5 ms
    noise: -174 dBm/Hz
    path_loss: {log_distance: {at_1_km: 128.1 dB, per_decade: 37.6 dB}}
    fading: rayleigh
    up: {bandwidth: 10 MHz, share: {equal: {parts: 2}}}
    down: {bandwidth: 20 MHz, share: {proportional: {to: efficiency}}, power: 1 W}
    clients:
      - {device: raspberry-pi-4b, count: 2, distance: {disc: {least: 10 m, most: 1 km}}, power: 23 dBm}
"""
JOINT = """\
methods:
  - pipar: {micro_batches: 3}
  - fsl_sage: {upload_every: 2, align_every: 3, align_epochs: 1}
  - ampere: {first_phase: 0}
  - fedoptima: {queue_cap: 1, scheduler: arrival, rate: 0.5}
  - sfl_ga
  - epsl: {share: 0.3}
"""
STUDY = """\
name: s
scenario: base.yaml
set: {training.batch_size: 5}
seeds: [0, 1]
axes:
  - name: up
    field: topology.star.clients.*.link.up
    log_range: {from: 1 Mbit/s, to: 10 Mbit/s, count: 3}
  - {name: cut, field: model.cut, range: {from: 0, to: 4, step: 2}}
  - name: both
    zip: {training.rounds: [1, 2], scale.links: [1, 0.5]}
    labels: [short, long]
skip: [{up: '> 5 Mbit/s', cut: 4}]
only: [{both: short}, {up: [1 Mbit/s]}]
best: {axis: cut, by: time}
sensitivity: {by: bytes, factor: 2, of: [links]}
crossovers: {axis: up, by: time, tolerance: 0.01}
"""
STUDY_BASE = """\
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 2, link: {up: 10 Mbit/s, down: 5 Mbit/s, delay: 5 ms}}
"""
PROFILE = """\
description: a board, measured
sources: [bench]
rates:
  conv: {forward: 4 GFLOP/s, backward: 1 GFLOP/s, status: measured, note: x}
  linear: {forward: 2 GFLOP/s, backward: 1.5 GFLOP/s, status: guess, note: y}
  elementwise: {forward: 1 GFLOP/s, backward: 1 GFLOP/s, status: guess, note: y}
fallback: {pool: elementwise, norm: elementwise, conv_input: conv}
memory_bandwidth: {value: 4 GB/s, status: guess, note: z}
weight_stream: {forward: 2 GB/s, backward: 1 GB/s, status: derived, note: z}
columns: {forward: 2 GB/s, backward: 1 GB/s, status: derived, note: z}
host_speed: {value: 1.5, status: guess, note: z}
optimizer_bandwidth: {value: 1.49 GB/s, status: derived, note: from a step}
layer_overhead: {value: 100 us, status: guess, note: a}
iteration_overhead: {value: 48 ms, status: derived, note: b}
loader_per_iteration: {value: 48 ms, status: derived, note: c}
memory: {value: 4 GiB, status: recalled, note: d}
power_w:
  idle: {value: 2.3, status: recalled, note: e}
  compute: {value: 5.3, status: recalled, note: f}
stack: own
form_error: {value: 0.1, status: derived, note: g}
covariance:
  figures: [rates.conv.forward, layer_overhead]
  logs:
    - [0.04, 0.01]
    - [0.01, 0.09]
"""
NODES = [
    {"id": 0, "label": "Bern", "Longitude": 7.45, "Latitude": 46.95},
    {"id": 1, "label": "Basel", "Longitude": 7.59, "Latitude": 47.56},
    {"id": 2, "label": "Genf", "Longitude": 6.14, "Latitude": 46.2},
]
NODE_LINK = json.dumps(
    {
        "directed": False,
        "multigraph": False,
        "graph": {},
        "nodes": NODES,
        "edges": [
            {"source": 0, "target": 1, "speed": 100},
            {"source": 1, "target": 2, "speed": 10},
        ],
    }
)
GRAPHML = """\
<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="d0" for="node" attr.name="label" attr.type="string"/>
  <key id="d1" for="node" attr.name="Longitude" attr.type="double"/>
  <key id="d2" for="node" attr.name="Latitude" attr.type="double"/>
  <key id="d3" for="edge" attr.name="speed" attr.type="double"/>
  <graph edgedefault="undirected">
    <node id="0"><data key="d0">Bern</data><data key="d1">7.45</data><data key="d2">46.95</data></node>
    <node id="1"><data key="d0">Basel</data><data key="d1">7.59</data><data key="d2">47.56</data></node>
    <edge source="0" target="1"><data key="d3">1e2</data></edge>
  </graph>
</graphml>
"""
TRACES = {
    "t.trace": "0\n1\n1\n5\n10\n100\n1000\n",
    "t.csv": "seconds,bytes_per_second\n0,1000000\n1,2e6\n2.5,0\n3,500000.5\n",
    "bare.csv": "0,1000000\n1,2e6\n2.5,0\n3,500000.5\n",
}
RECORDING = "client,online_from_s,online_until_s\na,0,10\na,20.5,30\nb,1,2e2\n'the third',5,50\n"
SCORES = {
    "s.csv": "device,score\nx,55022\ny,1e4\nz,0.5\n",
    "s.json": json.dumps([{"score": 1.5, "device": "x"}, {"score": 2}, {"score": 30}]),
}


@dataclass(frozen=True)
class Sample:
    """A file to mutate, the files that stand beside it, and the command's file.

    `target` is mutated; `asked` is the scenario or study that the command is given.
    """

    kind: str
    target: str
    asked: str
    files: dict[str, str]
    shipped: bool = False


def _scenario(kind: str, target: str, section: str, content: str) -> Sample:
    text = BARE + section.replace("FILE", target) + "methods: [splitfed]\n"
    return Sample(kind, target, "s.yaml", {"s.yaml": text, target: content})


def samples() -> dict[str, list[Sample]]:
    """Every sample by its kind, in an order that does not depend on the machine."""
    own = [
        HEAD + STAR + METHODS,
        BARE + RADIO + JOINT,
        *(
            BARE + section + "methods: [splitfed, fedgkt]\n"
            for section in (CELLS, TIERS, RING, GRAPH)
        ),
    ]
    scenarios = [_read(shipped_path(name)) for name in shipped_names()]
    studies = [_read(study_path(name)) for name in shipped_studies()]
    base = BARE + STUDY_BASE + "methods: [splitfed, classic_fl]\n"
    return {
        "scenario": [
            Sample("scenario", "s.yaml", "s.yaml", {"s.yaml": text}, text in scenarios)
            for text in (*own, *scenarios)
        ],
        "study": [
            Sample(
                "study", "y.yaml", "y.yaml", {"y.yaml": text, "base.yaml": base}, text in studies
            )
            for text in (STUDY, *studies)
        ],
        "set": [
            Sample("set", "value", "s.yaml", {"s.yaml": own[0], "value": text}) for text in SETS
        ],
        "trace": [_scenario("trace", name, TRACED, text) for name, text in TRACES.items()],
        "recording": [_scenario("recording", "r.csv", RECORDED, RECORDING)],
        "scores": [_scenario("scores", name, SCORED, text) for name, text in SCORES.items()],
        "profile": [_scenario("profile", "p.yaml", PROFILED, PROFILE)],
        "network": [
            _scenario("network", "n.json", NETWORKED, NODE_LINK),
            _scenario("network", "n.graphml", NETWORKED, GRAPHML),
        ],
    }


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


SETS = (
    "training.batch_size=5",
    "topology.star.clients.0.link={up: 1 Mbit/s, down: 2 Mbit/s, delay: 3 ms}",
    "methods.5.ecofed.bits=4",
    "methods=[splitfed, {ecofed: {period: 3}, label: x}]",
    "seeds=[1, 2, 3]",
    "devices.mine.memory=1 GiB",
    "stop.virtual_time=10 s",
)

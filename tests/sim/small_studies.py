"""Studies that run in a fraction of a second: three clients, twenty samples each, two rounds."""

from pathlib import Path
from typing import Any

import yaml

from cutlayer.scenarios.study import LoadedStudy
from cutlayer.sim.studies.sweep import load_study

SCENARIO = """\
name: tiny
seed: 0
data: {dataset: digits, partition: {sizes: 20}, test_fraction: 0.2, test_samples: 20}
model: {name: lenet, cut: 1}
training:
  rounds: 2
  clients_per_round: 2
  batch_size: 10
  optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
  targets: [0.05, 1.0]
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 3, link: {up: 10 Mbit/s, down: 20 Mbit/s, delay: 10 ms}}
methods: [splitfed, {ecofed: {init: random}}]
"""
UP = "topology.star.clients.0.link.up"
SYNCHRONOUS = (
    "[classic_fl, splitfed, local_loss, fedgkt, split_learning, centralised, "
    "{ecofed: {init: random}}, {ecofed: {init: random, bits: 4}, label: four bits}]"
)


def study_file(folder: Path, scenario: str = SCENARIO, **sections: Any) -> Path:
    """Write a study over uplinks (or over the `axes` given) and its scenario beside it."""
    (folder / "tiny.yaml").write_text(scenario, encoding="utf-8")
    content: dict[str, Any] = {
        "name": "small",
        "scenario": "tiny.yaml",
        "axes": [{"name": "up", "field": UP, "values": ["1 Mbit/s", "10 Mbit/s"]}],
    }
    content |= sections
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


def small_study(folder: Path, scenario: str = SCENARIO, **sections: Any) -> LoadedStudy:
    return load_study(study_file(folder, scenario, **sections))

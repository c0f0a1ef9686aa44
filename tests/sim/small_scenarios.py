"""Small scenarios as text, for tests that go through the whole stack."""

from pathlib import Path

from cutlayer import load_scenario
from cutlayer.models.catalogue import MODELS
from cutlayer.scenarios.load import Loaded, load_text
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.methods.registry import OPTIONS

METHODS = """\
methods:
  - classic_fl
  - splitfed
  - local_loss
  - fedgkt
  - {fedgkt: {exchange_weights: false}, label: original fedgkt}
  - {ecofed: {init: random}}
  - {ecofed: {init: random, bits: null, download_device_block: true, upload_when_unbuffered: true},
     label: first ecofed}
  - split_learning
  - centralised
"""

# Two types of devices and links, unequal shards (some equal across the types), and rounds without some
# of the clients.
MIXED = (
    """\
name: mixed
data: {dataset: digits, train_samples: 140, partition: {sizes: [20, 13, 20, 20, 13, 30]}}
model: {name: vgg5, cut: 1}
training: {rounds: 6, clients_per_round: 3, batch_size: 10,
           optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 3, link: {up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms}}
      - {device: raspberry-pi-3b-plus, count: 3, link: 4g}
"""
    + METHODS
)

# Two equal devices whose links cost next to no time.
STAR = """\
name: star
data: {dataset: digits, partition: {sizes: 40}}
model: {name: lenet, cut: 1}
training: {rounds: 1, batch_size: 10, optimizer: {name: sgd, lr: 0.01}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 0 ms}}]
methods: [classic_fl]
"""

# One type of device, given by its speed, and one link; nothing is shared.
PLAIN = """\
name: plain
data: {dataset: digits, train_samples: 100, partition: {sizes: 30}}
model: {name: vgg5, cut: 1}
training: {rounds: 1, batch_size: 10, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
devices:
  slow: {speed: 1 GFLOP/s}
  fast: {speed: 100 GFLOP/s}
topology:
  star:
    server: {device: fast, slots: 4}
    clients:
      - {device: slow, count: 1, link: {up: 8 Mbit/s, down: 16 Mbit/s, delay: 20 ms}}
"""


def read(text: str, *overrides: str) -> Loaded:
    """A scenario without a file and without the checks beyond its sections."""
    known = {"methods": OPTIONS, "models": MODELS, "datasets": DATASETS}
    return load_text(text, source="s.yaml", overrides=overrides, **known)


def scenario(folder: Path, text: str, *overrides: str) -> Loaded:
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path, overrides)

"""A small run of two asynchronous methods beside classic FL, whose views tests read back."""

from pathlib import Path

from small_scenarios import read

from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.run.run import run
from cutlayer.sim.views.trace import write_trace

SIZES = (10, 20, 30, 40, 50)
ASYNC = """\
name: asynchronous
data: {dataset: digits, partition: {sizes: [10, 20, 30, 40, 50]}}
model: {name: lenet, cut: 1}
training: {rounds: 4, clients_per_round: 3, batch_size: 10, optimizer: {name: sgd, lr: 0.01}}
devices:
  slow: {speed: 1 GFLOP/s}
  fast: {speed: 20 GFLOP/s}
topology:
  star:
    server: {device: fast, slots: 1}
    clients:
      - {device: fast, name: phone, count: 3, link: {up: 10 Mbit/s, down: 20 Mbit/s, delay: 5 ms}}
      - {device: slow, name: pi, count: 2, link: {up: 2 Mbit/s, down: 20 Mbit/s, delay: 20 ms}}
methods:
  - classic_fl
  - {fedasync: {window: {updates: 3}}}
  - {fedbuff: {buffer: 2, window: {versions: 2}}}
"""


def async_run(folder: Path, *overrides: str) -> SavedRun:
    """Run the scenario without training, keep all intervals, write a trace, and read the folder."""
    (result,) = run(read(ASYNC, *overrides), executor="none", out=folder, log="events")
    write_trace(result, folder / "trace.json")
    return read_run(folder)

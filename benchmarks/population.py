"""The cost of a registered client: a star of 10^6 clients beside one of 10^4, in the same run.

Each is a whole command in a process of its own: load, plan, and three rounds of 100 clients without
tensors (`--executor none`). The results are the memory for each client beyond the first 10^4, and the
ratio of processor times; absolute times mean nothing on a shared machine. The target is 2 GB at most.

    python benchmarks/population.py [--clients 1000000]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SCENARIO = """\
name: population
data:
  dataset: {{declared: {{input_shape: [3, 32, 32], classes: 10, train_samples: {samples}}}}}
model: {{name: lenet, cut: 1}}
training: {{rounds: 3, clients_per_round: 100, batch_size: 10, optimizer: {{name: sgd, lr: 0.05}}}}
topology:
  star:
    server: {{device: server-8-core, slots: 4}}
    clients: [{{device: raspberry-pi-4b, count: {clients}, link: 4g}}]
methods: [splitfed]
"""
BASELINE = 10_000
SAMPLES_EACH = 20


def cost(folder: Path, clients: int) -> tuple[float, float]:
    """Return the processor time (s) and the peak memory (bytes) of `cutlayer run`."""
    scenario = folder / f"population-{clients}.yaml"
    text = SCENARIO.format(clients=clients, samples=SAMPLES_EACH * clients)
    scenario.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "cutlayer", "run", str(scenario)]
    command += ["--executor", "none", "--out", str(folder / str(clients))]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    kib = 1 if sys.platform == "darwin" else 1024
    return used.ru_utime + used.ru_stime, used.ru_maxrss * kib


def main(clients: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        cost(Path(name), 100)  # fills the cache of model outlines
        few_s, few_bytes = cost(Path(name), BASELINE)
        many_s, many_bytes = cost(Path(name), clients)
    each = (many_bytes - few_bytes) / (clients - BASELINE)
    print(f"{BASELINE:>10,} clients: {few_s:6.1f} s of processor time, {few_bytes / 1e6:8.0f} MB")
    print(f"{clients:>10,} clients: {many_s:6.1f} s of processor time, {many_bytes / 1e6:8.0f} MB")
    print(
        f"{clients / BASELINE:.0f} times the clients: {many_s / few_s:.2f} times the processor time,"
        f" {each:.0f} bytes for each client more (of them {8 * SAMPLES_EACH} for its samples)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=1_000_000)
    main(parser.parse_args().clients)

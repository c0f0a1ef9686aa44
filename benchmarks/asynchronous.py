"""Speed of asynchronous methods: a star of 10^4 clients that are all in flight, over 10^5 updates.

The baseline, in the same run, is rounds of `classic_fl` with as many client-rounds, none of them reused.
Nothing is trained. Times are CPU times without the set-up; absolute times mean nothing on a shared
machine. The target is a minute for all updates, on one core.

    python benchmarks/asynchronous.py [--clients 10000] [--updates 100000] [--profile METHOD]
"""

import argparse
import cProfile
import pstats
import resource
import sys
import tempfile
import time
from pathlib import Path

from cutlayer import load_scenario
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.world import make_method
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.play import empty_result, scenario_stop
from cutlayer.sim.run.windows import make_engine

SCENARIO = """\
name: asynchronous
data:
  dataset: {{declared: {{input_shape: [3, 32, 32], classes: 10, train_samples: {samples}}}}}
model: {{name: lenet, cut: 1}}
training: {{rounds: {windows}, clients_per_round: {window}, batch_size: 10,
           optimizer: {{name: sgd, lr: 0.05}}}}
topology:
  star:
    server: {{device: server-8-core, slots: 4}}
    clients:
      - {{device: raspberry-pi-4b, count: {half}, link: 4g}}
      - {{device: raspberry-pi-3b-plus, count: {half}, link: 4g}}
methods:
  - classic_fl
  - {{fedasync: {{in_flight: {clients}}}}}
  - {{fedbuff: {{in_flight: {clients}, buffer: 10}}}}
"""
WINDOW = 1000  # updates, or clients in a round
SAMPLES_EACH = 20


def planned(clients: int, updates: int) -> Plan:
    text = SCENARIO.format(
        samples=SAMPLES_EACH * clients,
        clients=clients,
        half=clients // 2,
        windows=updates // WINDOW,
        window=WINDOW,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "asynchronous.yaml"
        file.write_text(text, encoding="utf-8")
        return plan_checked(load_scenario(file), trains=False)[0]


def play(plan: Plan, entry: MethodEntry, profile: bool) -> tuple[float, MethodResult]:
    """Return the CPU seconds of the run after its set-up, and the result."""
    result = empty_result(plan, entry)
    engine = make_engine(make_method(plan, entry, None), result, reuse=False)
    profiler = cProfile.Profile()
    start = time.process_time()
    if profile:
        profiler.enable()
    engine.run(scenario_stop(plan.scenario), RoundProgress())
    engine.finish()
    profiler.disable()
    taken = time.process_time() - start
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    return taken, result


def main(clients: int, updates: int, profile: str | None) -> None:
    plan = planned(clients, updates)
    baseline = None
    print(f"{'method':12} {'updates':>8} {'CPU s':>7} {'us each':>8} {'over classic_fl':>16}")
    for entry in plan.scenario.methods:
        if profile not in (None, entry.name):
            continue
        taken, result = play(plan, entry, profile is not None)
        count = sum(closed.clients for closed in result.rounds)
        each = taken / count
        baseline = baseline or each
        print(f"{entry.name:12} {count:8,} {taken:7.1f} {1e6 * each:8.1f} {each / baseline:16.2f}")
    kib = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kib
    print(f"peak memory {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--profile", metavar="METHOD")
    given = parser.parse_args()
    main(given.clients, given.updates, given.profile)

"""Speed of the simulation: the cost of one operation of a method, in bare SimPy timeouts.

Plays rounds of `ecofed_headline` (VGG11, 20 of 100 clients, 50 batches) without tensors and without
reusing rounds, each method beside a bare SimPy process that only waits, in the same run and in CPU
time; the time of a run of one round is subtracted, so that building the world does not count. Then runs
the whole scenario of 500 rounds, with reuse. Absolute times mean nothing on a shared machine.

    python benchmarks/headline.py [rounds]
"""

import sys
import time
from collections.abc import Callable

import simpy

from cutlayer import RunResult, load_scenario, run

SCENARIO = "ecofed_headline"
TIMEOUTS = 300_000


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def bare_timeouts() -> None:
    env = simpy.Environment()

    def wait():
        for _ in range(TIMEOUTS):
            yield env.timeout(1.0)

    env.process(wait())
    env.run()


def play(rounds: int, methods: list[str], *, reuse: bool = False) -> tuple[float, RunResult]:
    chosen = f"methods=[{', '.join(methods)}]"
    loaded = load_scenario(SCENARIO, [f"training.rounds={rounds}", chosen])
    results: list[RunResult] = []
    taken = cpu_seconds(
        lambda: results.extend(run(loaded, executor="none", reuse=reuse, log="events"))
    )
    return taken, results[0]


def main(rounds: int) -> None:
    whole = load_scenario(SCENARIO)
    methods = [entry.name for entry in whole.scenario.methods]
    play(1, methods)  # imports
    print(f"{'method':12} {'operations':>10} {'us each':>8} {'bare timeouts':>14}")
    per_round = 0.0
    for name in methods:
        bare = cpu_seconds(bare_timeouts) / TIMEOUTS
        start, _ = play(1, [name])
        taken, result = play(rounds + 1, [name])
        kept = result.methods[name].kept[1:]
        rows = sum(len(one.record.intervals) for one in kept)
        each = (taken - start) / rows
        per_round += (taken - start) / rounds
        print(f"{name:12} {rows:10,} {1e6 * each:8.2f} {each / bare:14.1f}")
    total = whole.scenario.training.rounds
    reused = cpu_seconds(lambda: run(whole, executor="none"))
    print(f"{total} rounds of all methods: {reused:.1f} s of CPU time with reuse, set-up included;")
    played = total * per_round
    print(
        f"{played:.0f} s at this rate if every round is played: {played / reused:.0f} times as long"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

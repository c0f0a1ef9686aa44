"""The cost of a draw over a plain run: `quickstart` on the clock, at drawn and at stated figures.

The baseline is a plain run: all methods of a plan that is built already, timed without training. A draw
does the same with other figures, so that a ratio above 1 is what drawing and building the topology costs
(target: at most 1.2). Both alternate in this process. Then whole commands with and without 200 draws run
on all cores; the target is at most 30 s for the draws on two idle cores. Absolute times mean nothing on
a shared machine.

    python benchmarks/uncertainty.py [repetitions]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cutlayer import load_scenario, run
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.run.play import play
from cutlayer.sim.uncertainty.run import DrawsJob, learned_by

SCENARIO = "quickstart"
DRAWS = 200
TOGETHER = 5  # draws, or plain runs, that are timed together


def command(folder: Path, *options: str) -> float:
    """The seconds of a whole command."""
    whole = [sys.executable, "-m", "cutlayer", "run", SCENARIO, "--executor", "none", "--no-plots"]
    start = time.monotonic()
    subprocess.run([*whole, "--out", str(folder), *options], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    loaded = load_scenario(SCENARIO, [f"uncertainty.draws={DRAWS}"])
    (result,) = run(loaded, executor="none")
    plan = make_plan(loaded.scenario, result.seed)
    scenario = json.dumps(loaded.resolved())
    DrawsJob(scenario, result.seed, learned_by(result), None, 0, 1).perform(
        print
    )  # builds its plan
    ratios = []
    for number in range(repetitions):
        start = time.process_time()
        for _ in range(TOGETHER):
            for entry in plan.scenario.methods:
                play(plan, entry)
        plain = time.process_time() - start
        first = number * TOGETHER
        job = DrawsJob(scenario, result.seed, learned_by(result), None, first, first + TOGETHER)
        start = time.process_time()
        job.perform(print)
        drawn = time.process_time() - start
        ratios.append(drawn / plain)
        print(
            f"{TOGETHER / drawn:.1f} draws and {TOGETHER / plain:.1f} plain runs a second of one core:"
            f" a draw takes {ratios[-1]:.2f} of a plain run",
            flush=True,
        )
    print(f"mean ratio {sum(ratios) / len(ratios):.2f} (baseline: a plain run)")
    with tempfile.TemporaryDirectory() as folder:
        without = command(Path(folder, "plain"))
        seconds = command(Path(folder, "draws"), "--draws", str(DRAWS)) - without
    print(
        f"{DRAWS} draws in {seconds:.1f} s of a command on {os.cpu_count()} cores:"
        f" {DRAWS / seconds:.1f} draws a second (baseline: the command without draws, {without:.1f} s)"
    )


if __name__ == "__main__":
    main()

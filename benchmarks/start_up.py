"""The cost of short commands: processor time of whole processes, as a multiple of importing torch.

Commands that train nothing do not import torch, and read the outlines of models from the cache.
The first row of each command is with an empty cache, the second with a full one; each is the median of
runs that alternate with the baseline. Absolute times mean nothing on a shared machine.

    python benchmarks/start_up.py [repeats]
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BASELINE = [sys.executable, "-c", "import torch"]
COMMANDS = (
    ["list"],
    ["check", "quickstart"],
    ["run", "quickstart", "--executor", "none"],
    ["run", "quickstart", "--executor", "none", "--no-plots"],
)
PROGRAM = "import sys; from cutlayer.sim.cli import main; main()"


def cpu_seconds(command: list[str], folder: Path, cache: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {
        "CUTLAYER_CACHE_DIR": str(cache),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"processor seconds, and as a multiple of `python -c 'import torch'`; {repeats} repeats")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for words in COMMANDS:
            command = [sys.executable, "-c", PROGRAM, *words]
            first, later, bare = [], [], []
            for number in range(repeats):
                cache = folder / f"cache-{'-'.join(words)}-{number}"
                first.append(cpu_seconds(command, folder, cache))
                later.append(cpu_seconds(command, folder, cache))
                bare.append(cpu_seconds(BASELINE, folder, cache))
            for kind, seconds in (("empty cache", first), ("full cache", later)):
                ratio = statistics.median(a / b for a, b in zip(seconds, bare, strict=True))
                median = statistics.median(seconds)
                print(f"{' '.join(words):46s} {kind:12s} {median:6.2f} s {ratio:6.2f} x")


if __name__ == "__main__":
    main()

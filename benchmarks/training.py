"""Speed of real training: Cutlayer beside plain PyTorch loops of the same mathematics, as ratios.

Every side trains the work of training_work.py in a process of its own; the sides take turns, and each
figure is the median of the ratios to the plain loop of the same turn. CPU and wall time are those
between the first round and the end, of the process and its children; start-up is the time before.
Memory is the largest sum of the proportional set sizes (PSS), sampled every second; it needs Linux. The
weights of all sides but the peers must be equal, bit for bit.

    python benchmarks/training.py [--rounds 3] [--turns 3] [--sides plain inline ...] [--peers FOLDER]

Peers are installed into the virtual environment FOLDER, which is made if it does not exist. The figures
in docs/explanation/training-speed.md are to be taken on an idle machine:

    python benchmarks/training.py --rounds 5 --turns 5 --peers build/peers
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

import training_peers

SAMPLING_S = 1.0  # each sample takes up to 0.05 s of a core, for which the processes then wait
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PLAIN = "plain"
CONTIGUOUS = "-contiguous"  # a side in the format that PyTorch uses by default; its bits differ
SIDES = (PLAIN, "inline", "plain-2", "processes-2", "plain-2-contiguous")
ROOT = Path(__file__).resolve().parents[1]


# Measurement: from outside, of a process and its children.


def tree(root: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def _stat(process: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name; none if the process has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


class Cpu:
    """The CPU time of a process and its descendants, also of those that have ended since a sample."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._seconds: dict[int, float] = {}

    def sample(self) -> float:
        """Return the seconds so far."""
        for process in tree(self._root):
            if fields := _stat(process):
                self._seconds[process] = (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
        return sum(list(self._seconds.values()))


def memory_mb(root: int) -> float:
    """Return the proportional set size of a process and its descendants, in megabytes."""
    kib = 0
    for process in tree(root):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return kib * 1024 / 1e6


@dataclass(frozen=True)
class Figures:
    """What a side took."""

    startup_s: float
    cpu_s: float
    wall_s: float
    memory_mb: float
    accuracy: float
    weights: str | None


def measured(command: list[str], environment: Mapping[str, str]) -> Figures:
    """Run a side; it prints a line "ready" before its first round, and its results as JSON."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    peak, ended, cpu = [0.0], threading.Event(), Cpu(process.pid)

    def sample() -> None:
        while not ended.wait(SAMPLING_S):
            peak[0] = max(peak[0], memory_mb(process.pid))
            cpu.sample()

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        assert process.stdout is not None
        line(process.stdout, "ready")
        ready, cpu_before = time.perf_counter(), cpu.sample()
        result = json.loads(line(process.stdout, "done").partition(" ")[2])
        done, cpu_after = time.perf_counter(), cpu.sample()
    finally:
        ended.set()
        sampler.join()
        process.kill()
        process.wait()
    return Figures(ready - started, cpu_after - cpu_before, done - ready, peak[0], **result)


def line(output: IO[str], word: str) -> str:
    """Return the next line that begins with a word."""
    for text in output:
        if text.startswith(word):
            return text
    raise RuntimeError(f"a side ended before it printed {word!r}")


# The sides: programs that train.


def side(name: str, folder: Path, rounds: int) -> None:
    """Train as one of the sides, and print the results."""
    if name == PLAIN or name.startswith("plain-"):
        result = plain_side(name, folder, rounds)
    elif name in training_peers.PEERS:
        result = peer_side(name, folder, rounds)
    else:
        result = cutlayer_side(name, folder)
    print("done", json.dumps(result), flush=True)
    sys.stdin.read()  # until the figures have been taken


def ready() -> None:
    """Tell that the first round begins."""
    print("ready", flush=True)


def plain_side(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Train with a plain loop."""
    import training_work

    training_work.prepare_process()
    if name.endswith(CONTIGUOUS):
        training_work.Format.used = training_work.torch.contiguous_format
        return plain_side(name.removesuffix(CONTIGUOUS), folder, rounds) | {"weights": None}
    if name == PLAIN:
        weights, accuracies = training_work.plain(folder, rounds, ready)
    else:
        count = int(name.removeprefix("plain-"))
        weights, accuracies = training_work.plain_pool(folder, rounds, ready, count)
    digest = hashlib.blake2b(digest_size=16)
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].contiguous().numpy().tobytes())
    return {"accuracy": accuracies[-1], "weights": digest.hexdigest()}


def peer_side(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Train with another simulator."""
    import training_work

    training_work.prepare_process()
    return {"accuracy": training_peers.train(name, folder, rounds, ready), "weights": None}


def cutlayer_side(name: str, folder: Path) -> dict[str, Any]:
    """Train with one of Cutlayer's executors."""
    import training_work

    import cutlayer
    from cutlayer.sim.run.progress import Progress

    training_work.prepare_process()

    class Mark(Progress):
        def method_started(self, *_: object, **__: object) -> None:
            ready()

    executor, _, jobs = name.partition("-")
    (result,) = cutlayer.run(
        folder / "training.yaml",
        executor=executor,
        data_dir=folder,
        progress=Mark(),
        **({"jobs": int(jobs)} if jobs else {}),
    )
    (method,) = result.methods.values()
    return {"accuracy": method.rounds[-1].accuracy, "weights": method.weights_digest}


# The table.


def main(rounds: int, turns: int, sides: list[str], peers: Path | None) -> None:
    """Measure the sides in turns and print the table."""
    others = None if peers is None else training_peers.environment(peers)
    sides = [*sides, *training_peers.PEERS] if others else sides
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
        arguments = [__file__, "--folder", folder, "--rounds", str(rounds)]
        subprocess.run(
            [sys.executable, *arguments, "--prepare"], check=True, env={**os.environ, **environment}
        )
        figures: dict[str, list[Figures]] = {side: [] for side in sides}
        for turn in range(turns):
            for side in sides if turn % 2 == 0 else sides[::-1]:
                python = others if side in training_peers.PEERS else sys.executable
                command = [str(python), *arguments, "--side", side]
                figures[side].append(measured(command, environment))
                print(f"turn {turn + 1}, {side}: {figures[side][-1]}", file=sys.stderr)
    digests = {one.weights for of_side in figures.values() for one in of_side} - {None}
    if len(digests) != 1:
        raise SystemExit("the sides have trained different weights")
    print(f"{date.today()}, {processor()}, {os.cpu_count()} cores, {platform.platform()}")
    print(f"{rounds} rounds, median of {turns} turns\n")
    print(table(figures))


def processor() -> str:
    """Return the name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [row.partition(":")[2].strip() for row in text.splitlines() if "model name" in row]
    return names[0] if names else platform.machine()


def table(figures: Mapping[str, list[Figures]]) -> str:
    """Return the medians as a table, with times as ratios to the plain loop."""
    rows = ["| side | CPU time | wall time | start-up | peak memory |", "|---|---|---|---|---|"]
    for side, of_side in figures.items():
        pairs = list(zip(of_side, figures[PLAIN], strict=True))
        cpu = statistics.median(one.cpu_s / base.cpu_s for one, base in pairs)
        wall = statistics.median(one.wall_s / base.wall_s for one, base in pairs)
        start = statistics.median(one.startup_s for one in of_side)
        memory = statistics.median(one.memory_mb for one in of_side)
        rows.append(f"| {side} | {cpu:.2f} | {wall:.2f} | {start:.1f} s | {memory:.0f} MB |")
    return "\n".join(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sides", nargs="+", default=list(SIDES))
    parser.add_argument("--peers", type=Path, metavar="FOLDER")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        import training_work

        training_work.prepare(given.folder, given.rounds)
    elif given.side:
        side(given.side, given.folder, given.rounds)
    else:
        main(given.rounds, given.turns, given.sides, given.peers)

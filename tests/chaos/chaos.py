"""Runs that are disturbed at random moments, and what must be left in the end."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cutlayer.sim.files.checksums import CHECKSUMS
from cutlayer.sim.results.read import SavedError, read_run

ROOT = Path(__file__).parents[2]
SCENARIO = """\
name: tiny
seed: 0
data: {dataset: digits, partition: iid, test_fraction: 0.2, train_samples: 60, test_samples: 20}
model: {name: lenet, cut: 1}
training:
  rounds: 4
  clients_per_round: 2
  batch_size: 10
  optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 3, link: 4g}
codec: {up: {aq_sgd: {bits: 4}}, down: {top_k: {share: 0.2, feedback: true}}}
methods:
  - splitfed
  - fsl_sage: {upload_every: 2, align_every: 2, align_epochs: 1}
  - fedoptima: {in_flight: 3, queue_cap: 2}
"""
RUN = ["run", "tiny.yaml", "--no-plots", "--out"]


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code or, negative, signal; its output; the log of the plan."""

    code: int
    out: str
    err: str
    log: tuple[str, ...]

    @property
    def events(self) -> int:
        """The number of events; nothing if the command was killed."""
        return int(self.log[-1])


@dataclass(frozen=True)
class Undisturbed:
    """The files of an undisturbed run, and the number of its events."""

    files: Mapping[str, bytes]
    events: int


@dataclass
class Chaos:
    """Runs of a scenario in `folder` with an executor's options.

    All random numbers come from `seed`. `processes` are those whose children are the workers, by default
    the command itself.
    """

    commands: "Commands"
    folder: Path
    options: Sequence[str]
    seed: int
    processes: Sequence[int] = ()
    history: list[str] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)
    runs: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        (self.folder / "tiny.yaml").write_text(SCENARIO, encoding="utf-8")
        self.whole = self.undisturbed()

    def undisturbed(self) -> Undisturbed:
        """Run without a disturbance, or return the result of another test."""
        options = ("--executor", "inline") if self.of_inline else tuple(self.options)
        whole = self.commands.undisturbed.get(options)
        if whole is None:
            ended = self.command("whole", *RUN, "whole", *options)
            assert ended.code == 0, ended
            whole = Undisturbed(contents(self.folder / "whole"), ended.events)
            self.commands.undisturbed[options] = whole
        return whole

    @property
    def of_inline(self) -> bool:
        """Whether the files must be those of `inline`, except for the name of the executor."""
        return self.options[1] in ("processes", "dask")

    def start(self, out: str) -> list[str]:
        return [*RUN, out, *self.options]

    def command(self, out: str, *arguments: str, **plan: Any) -> Ended:
        """Run a command on the folder `out`, with a disturbance if the plan says so."""
        return self.commands.end(self.begin(out, *arguments, **plan))

    def begin(self, out: str, *arguments: str, **plan: Any) -> "Begun":
        """Begin a command on the folder `out`."""
        settings = {
            "folder": str(self.folder / out),
            "processes": list(self.processes),
            "seed": self.seed,
        }
        return self.commands.begin(self.folder, arguments, settings | plan)

    def plan(self, action: str) -> dict[str, Any]:
        """Return a disturbance at a random moment of the first third of the events of a run."""
        plan: dict[str, Any] = {
            "action": action,
            "at": self.random.randint(1, max(2, self.whole.events // 3)),
        }
        if action == "interrupt" and self.random.random() < 0.5:
            plan["again"] = self.random.randint(1, 20)
        elif action != "full" and self.random.random() < 0.5:
            plan["delay_ms"] = self.random.randint(0, 100)
        return plan

    def disturbed_run(self, out: str, actions: list[str]) -> None:
        """Run with these disturbances in turn, go on after each, and compare the end.

        Those that have happened are removed; some may be left when the run has ended.
        """
        arguments = self.start(out)
        while True:
            plan = self.plan(actions[0]) if actions else {}
            ended = self.command(out, *arguments, **plan)
            happened = [line for line in ended.log if not line.isdigit()]
            self.history.append(f"{arguments[0]}, {plan}: {happened}, exit code {ended.code}")
            self.count.update(happened)
            del actions[: len(happened)]
            self.check(ended, plan, happened)
            if ended.code == 0:
                break
            self.check_folder(out)
            arguments = self.going_on(out)
        self.runs += 1
        self.same(out)

    def check(self, ended: Ended, plan: Mapping[str, Any], happened: Sequence[str]) -> None:
        """Check that a command ended as it had to."""
        codes = {
            "kill": {-signal.SIGKILL},
            "interrupt": {0, 130},  # the last round may have been closed
            "full": {2},
            "worker": {0},
        }
        expected = codes[plan["action"]] if happened else {0}
        if "full" in happened:
            assert os.strerror(errno.ENOSPC) in ended.err.splitlines()[-1], self.told(ended)
        assert ended.code in expected, self.told(ended)
        assert "Traceback" not in ended.err, self.told(ended)

    def check_folder(self, out: str) -> None:
        """Check that what a command left is not taken for a result, or is one."""
        try:
            run = read_run(self.folder / out)
        except SavedError:
            return
        assert run.summary["status"] in ("stopped", "complete"), self.told(out)
        if run.summary["status"] == "complete":
            self.same(out, but=("resume.json", "checkpoint"))

    def going_on(self, out: str) -> list[str]:
        """Return the command that goes on with a folder, or begins again if there is nothing in it."""
        path = self.folder / out
        if (path / "resume.json").exists() or (path / "summary.json").exists():
            return ["resume", out]
        for file in path.iterdir() if path.is_dir() else ():
            assert file.name == "cutlayer.json" or file.name.endswith(".part"), self.told(file)
            file.unlink()
        return self.start(out)

    def same(self, out: str, but: Sequence[str] = ()) -> None:
        """Check that a folder is that of the undisturbed run."""
        left = contents(self.folder / out)
        found = {
            name: content
            for name, content in (as_inline(left) if self.of_inline else left).items()
            if name.partition("/")[0] not in but and not (but and name.endswith(".part"))
        }
        different = sorted(found.keys() ^ self.whole.files.keys())
        assert not different, self.told(f"{out}: {different}")
        for name, content in self.whole.files.items():
            assert found[name] == content, self.told(name)

    def told(self, what: object) -> str:
        """Return a message from which the same disturbances can be made again."""
        return "\n".join([f"{what}", f"seed {self.seed}, {self.options}", *self.history])


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def as_inline(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of a run as if its executor had been `inline`, after checking their sums."""
    renamed = {
        name: re.sub(rb'("executor": )"(processes|dask)"', rb'\1"inline"', content)
        for name, content in files.items()
    }
    sums = []
    for line in files[CHECKSUMS].decode().splitlines():
        digest, name = line.split("  ")
        assert sha256(files[name]).hexdigest() == digest, name
        sums.append(f"{sha256(renamed[name]).hexdigest()}  {name}\n")
    return {**renamed, CHECKSUMS: "".join(sums).encode()}


@dataclass(frozen=True)
class Begun:
    """A command that has begun, its process, and the files of its output, errors and log."""

    process: int
    files: tuple[Path, Path, Path]


class Commands:
    """A process that runs commands in forks of itself, without the time of their imports."""

    def __init__(self, folder: Path) -> None:
        scenario = folder / "tiny.yaml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        self.undisturbed: dict[tuple[str, ...], Undisturbed] = {}
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("disturbed.py")), str(scenario)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, cwd: Path, arguments: Sequence[str], plan: Mapping[str, Any]) -> Begun:
        """Begin a command with a plan."""
        self._count += 1
        out, err, log = (cwd / f"{self._count}.{kind}" for kind in ("out", "err", "log"))
        number = self._answer(
            {
                "arguments": arguments,
                "cwd": str(cwd),
                "out": str(out),
                "err": str(err),
                "plan": {"log": str(log), **plan},
            }
        )
        return Begun(number, (out, err, log))

    def end(self, begun: Begun) -> Ended:
        """Wait until a command has ended, and return its end."""
        code = self._answer({"wait": begun.process})
        out, err, log = (
            file.read_text(encoding="utf-8") if file.exists() else "" for file in begun.files
        )
        return Ended(code, out, err, tuple(log.splitlines()))

    def _answer(self, order: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()

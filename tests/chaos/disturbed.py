"""Commands that are disturbed on purpose.

Each line of the standard input is an order in JSON: the arguments of a command, its folder, the files
for its output, and a plan. The command runs in a fork of this process, which has run the scenario of
the argument once; its number is printed. An order to `wait` for a number prints the exit code, or minus
the signal that killed the command.

Time is counted in events: operations on files of the run's folder. At the event with the number `at`, or
`delay_ms` later, the command is killed ("kill"), stopped ("pause"), interrupted ("interrupt", and again
after `again` more events), a worker process ("worker") or the scheduler ("scheduler") is killed, or the
disk becomes full ("full"). The log says what happened and, if the command ended by itself, the number of
events.
"""

import errno
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
WARM = ["--executor", "none", "--no-plots"]
ON_PATHS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")


class Disturbance:
    """Counts the events and disturbs."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.folder = os.fspath(plan["folder"])
        self.events = 0
        self.full = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and event not in ON_PATHS:
            return
        path = arguments[0]
        if not isinstance(path, str | os.PathLike) or not self.inside(os.fspath(path)):
            return
        writes = event != "open" or bool((arguments[2] or 0) & WRITING)
        self.events += 1
        if self.events == self.plan.get("at"):
            self.disturb()
        elif self.events == self.plan.get("at", 0) + self.plan.get("again", 0):
            signal.raise_signal(signal.SIGINT)
        if self.full and writes and event in ("open", "os.mkdir", "os.link"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def inside(self, path: str | bytes) -> bool:
        return isinstance(path, str) and str(Path(path).absolute()).startswith(self.folder)

    def disturb(self) -> None:
        if self.plan["action"] == "full":
            self.full = True
            self.log("full")
        elif "delay_ms" in self.plan:
            threading.Thread(target=self.later, daemon=True).start()
        else:
            self.act()

    def later(self) -> None:
        time.sleep(self.plan["delay_ms"] / 1000)
        self.act()

    def act(self) -> None:
        action = self.plan["action"]
        if action == "worker":
            workers = leaves(self.plan.get("processes") or [os.getpid()])
            if workers:
                self.log("worker")
                os.kill(random.Random(self.plan["seed"]).choice(workers), signal.SIGKILL)
            return
        self.log(action)
        if action == "scheduler":
            os.kill(self.plan["scheduler"], signal.SIGKILL)
            return
        number = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "interrupt": signal.SIGINT}
        os.kill(os.getpid(), number[action])

    def log(self, text: object) -> None:
        with Path(self.plan["log"]).open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")


def leaves(processes: list[int]) -> list[int]:
    """Return the descendants that have no children and do a command's work, in order of birth."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(status.parent.name))
    found, waiting = [], [child for process in processes for child in children.get(process, [])]
    while waiting:
        process = waiting.pop()
        below = children.get(process, [])
        waiting += below
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if not below and command and b"resource_tracker" not in command:
            found.append(process)
    return sorted(found)


def main() -> None:
    import distributed  # noqa: F401
    import torch

    from cutlayer.sim.cli import main as command
    from cutlayer.sim.learning.inline import numerics
    from cutlayer.sim.learning.stacked import executor  # noqa: F401

    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0).step()  # imports a compiler
    numerics()  # and its measured fingerprint
    warm(Path(sys.argv[1]).resolve())
    assert threading.active_count() == 1, "a fork has no other threads"
    order = served()
    os.chdir(order["cwd"])
    for number, file in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
        os.close(descriptor)
    disturbance = Disturbance(order["plan"])
    sys.argv = ["cutlayer", *order["arguments"]]
    sys.addaudithook(disturbance)
    try:
        command()
    finally:
        disturbance.log(disturbance.events)


def warm(scenario: Path) -> None:
    """Run and resume once, for the imports, the catalogue and the cost tables of all forks."""
    from cutlayer.sim.cli import main as command

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        out = f"{folder}/out"
        for arguments in (["run", str(scenario), *WARM, "--out", out], ["resume", out]):
            sys.argv = ["cutlayer", *arguments]
            with suppress(SystemExit):
                command()
        assert Path(out, "summary.json").exists()


def served() -> dict[str, Any]:
    """Return, in a fork, each order that comes; this process ends with its input."""
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        elif child := os.fork():
            print(child, flush=True)
        else:
            return order
    sys.exit()


if __name__ == "__main__":
    main()

"""A Dask scheduler and its workers, in processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALLOWED_FAILURES = 1  # before the scheduler gives a task up; Dask's own default is 3
PATIENCE_S = 600  # for processes that start while others keep the machine busy


class Dask:
    """A scheduler and workers that run in `folder`; they can import modules of tests."""

    def __init__(self, folder: Path, workers: int = 2, modules: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.modules = modules
        self.processes: list[subprocess.Popen[bytes]] = []
        self._file = folder / "scheduler.json"
        self._start("scheduler", "--port", "0", "--no-dashboard")
        limit = time.monotonic() + PATIENCE_S
        while not self._address():
            assert time.monotonic() < limit, "no scheduler"
            time.sleep(0.05)
        self.address = self._address()
        for _ in range(workers):
            self.start_worker()
        if workers:
            self.wait_for(workers)

    def start_worker(self, *options: str) -> None:
        self._start(
            "worker",
            "--nthreads",
            "1",
            "--no-dashboard",
            "--death-timeout",
            str(PATIENCE_S),
            *options,
        )

    def _start(self, what: str, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "dask",
            what,
            "--scheduler-file",
            str(self._file),
            *options,
        ]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, [ROOT, self.folder, *self.modules])),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(ALLOWED_FAILURES),
        }
        self.processes.append(
            subprocess.Popen(
                command, cwd=self.folder, env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    def _address(self) -> str:
        try:
            return str(json.loads(self._file.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError):
            return ""

    def wait_for(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=PATIENCE_S) as client:
            client.wait_for_workers(count, timeout=PATIENCE_S)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()

"""Tasks that sleep or kill their worker, and a backend that makes all tasks such."""

import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cutlayer.sim.process.pool import Pool
from cutlayer.sim.process.tasks import Done, Handle, Note, Outcome, Task, Ticket


@dataclass(frozen=True)
class Troubled:
    """A task that sleeps, and kills its worker at the end unless the file `killed` exists."""

    task: Task
    sleep_s: float
    killed: Path | None

    @property
    def name(self) -> str:
        return self.task.name

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        time.sleep(self.sleep_s)
        outcome = self.task.perform(inputs, note)
        if self.killed is not None and not self.killed.exists():
            self.killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome


class TroubledPool:
    """A pool that outlives the runs; `kills` of their tasks kill their workers once, in `folder`."""

    def __init__(self, pool: Pool, folder: Path, most_s: float, kills: int = 0) -> None:
        self.pool = pool
        self.jobs = pool.jobs
        self.folder = folder
        self.most_s = most_s
        self.kills = kills
        self.random = random.Random(pool.jobs)
        self.submitted = 0
        self.cancel, self.wait, self.read = pool.cancel, pool.wait, pool.read
        self.put, self.free = pool.put, pool.free

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the pool as it is."""

    def submit(self, task: Task, inputs: Sequence[Handle], done: Done, priority: int = 0) -> Ticket:
        self.submitted += 1
        killed = None
        if self.submitted % 3 == 0 and self.submitted <= 3 * self.kills:
            killed = self.folder / f"{self.submitted}"
        troubled = Troubled(task, self.random.random() * self.most_s, killed)
        return self.pool.submit(troubled, inputs, done, priority)

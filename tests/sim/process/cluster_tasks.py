"""Tasks that the workers of a cluster import."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.sim.process.tasks import Note, Outcome

BIG = 1_000_000  # bytes; a report of this size is no event


@dataclass(frozen=True)
class Join:
    """Returns its process as report, and its inputs joined, followed by `text`, `outputs` times."""

    text: str
    outputs: int = 1
    large: bool = False

    @property
    def name(self) -> str:
        return f"join {self.text}"

    def perform(self, inputs: list[memoryview], note: Note) -> Outcome:
        assert all(part.readonly for part in inputs)
        joined = b"".join(inputs) + self.text.encode()
        report = (os.getpid(), "x" * BIG) if self.large else os.getpid()
        return Outcome(report, tuple(joined + b"%d" % i for i in range(self.outputs)))


@dataclass(frozen=True)
class Dies:
    """Kills its worker as long as there are files `deaths`/N, and removes one each time."""

    deaths: str
    name: str = "round 3, client 7"

    def perform(self, inputs: list[memoryview], note: Note) -> Outcome:
        for file in sorted(Path(self.deaths).iterdir()):
            file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome("survived", (b"".join(inputs),))


@dataclass(frozen=True)
class Waits:
    """Marks its begin with a file, and ends when there is a file `go`."""

    folder: str
    name: str = "waits"

    def perform(self, inputs: list[memoryview], note: Note) -> Outcome:
        import time

        (Path(self.folder) / f"begun-{os.getpid()}").touch()
        while not (Path(self.folder) / "go").exists():
            time.sleep(0.01)
        return Outcome(None)


@dataclass(frozen=True)
class Fails:
    name: str = "fails"

    def perform(self, inputs: list[memoryview], note: Note) -> Outcome:
        raise UserError("cannot be done")


@dataclass(frozen=True)
class Threads:
    """Reports the number of torch threads."""

    name: str = "threads"

    def perform(self, inputs: list[memoryview], note: Note) -> Outcome:
        import torch

        return Outcome(torch.get_num_threads())


def numerics() -> dict[str, str]:
    """Return what a worker is said to compute with."""
    return {"kernels": os.environ.get("TEST_NUMERICS", "ours"), "machine": "any"}

"""Tasks for worker processes, in a module that imports little."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.sim.process.tasks import Note, Outcome

LIMIT_S = 600  # generous: the machine may be busy


def wait_for(path: Path) -> None:
    """Wait until a file exists."""
    limit = time.monotonic() + LIMIT_S
    while not path.exists():
        assert time.monotonic() < limit, f"{path} does not appear"
        time.sleep(0.005)


def leave(*_: object) -> None:
    """End the worker at once."""
    os._exit(7)


@dataclass(frozen=True)
class Join:
    """Returns the worker's process number, and as outputs the joined inputs and nothing."""

    name: str

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        assert all(part.readonly for part in inputs)
        note(f"joining {self.name}")
        return Outcome((self.name, os.getpid()), (b"".join(inputs), bytearray()))


@dataclass(frozen=True)
class HalfWritten:
    """Returns an output and something that is none."""

    name: str

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        return Outcome(None, (b"first", "second"))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Gate:
    """Creates a file, then waits for another one."""

    name: str
    begun: Path
    opened: Path
    outputs: int = 0

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        self.begun.write_text(str(os.getpid()), encoding="utf-8")
        wait_for(self.opened)
        return Outcome(self.name, (b"x" * 1000,) * self.outputs)


@dataclass(frozen=True)
class Dies:
    """Kills its worker the first `times` times; it counts them in a folder."""

    name: str
    folder: Path
    times: int

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        died = len(list(self.folder.iterdir()))
        if died < self.times:
            (self.folder / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(self.name, tuple(bytes(part) for part in inputs))


@dataclass(frozen=True)
class Fails:
    name: str
    user: bool

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        raise UserError("cannot be done") if self.user else KeyError("x")


@dataclass(frozen=True)
class Asks:
    """Returns what its process is like."""

    name: str = "asks"

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        import sys

        return Outcome(
            {
                "environment": dict(os.environ),
                "SIGINT ignored": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
                "SIGINT blocked": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()),
                "folder": str(Path.cwd()),
                "path": list(sys.path),
                "threads": sys.modules["torch"].get_num_threads()
                if "torch" in sys.modules
                else None,
            }
        )


@dataclass(frozen=True)
class Holds:
    """Carries any object, whose call it returns."""

    name: str
    content: object

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        return Outcome(self.content())  # type: ignore[operator]


@dataclass(frozen=True)
class Writes:
    """Returns an output of `size` bytes."""

    name: str
    size: int

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        return Outcome(len(inputs), (bytes(self.size),))


@dataclass(frozen=True)
class DiesWhileWriting:
    """Kills its first worker when the first of its two outputs is written."""

    name: str
    mark: Path

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        return Outcome(self.name, self._outputs())  # type: ignore[arg-type]

    def _outputs(self) -> Iterator[bytes]:
        yield b"first"
        if not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield b"second"

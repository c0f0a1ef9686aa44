"""A worker process and its tasks, from the pool's side."""

import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from cutlayer.sim.process.tasks import Done, Ticket
from cutlayer.sim.process.worker import Order

_END_WAIT_S: Final = 10.0  # for a process that has closed its pipe


@dataclass(eq=False)
class Submitted(Ticket):
    """A task that was submitted."""

    order: Order
    done: Done
    rank: int
    deaths: int = 0

    @property
    def turn(self) -> tuple[int, int]:
        """The key by which tasks are sorted."""
        return self.rank, self.order.number


@dataclass(eq=False)
class WorkerProcess:
    """A worker process, its tasks in the order in which it runs them, and the one that it has begun."""

    name: str
    process: BaseProcess
    pipe: "Connection[Any, Any]"
    assigned: dict[int, Submitted] = field(default_factory=dict)
    begun: int | None = None
    path: tuple[str, ...] = ()

    def give(self, ticket: Submitted) -> None:
        """Assign a task, with Python's module search path if that has changed."""
        self.assigned[ticket.order.number] = ticket
        path = tuple(sys.path)
        self.send(ticket.order if path == self.path else replace(ticket.order, path=path))
        self.path = path

    def send(self, message: Order | int) -> None:
        """Send a task, or the number of a cancelled one."""
        with suppress(OSError):  # it has died; the end of its pipe will report it
            self.pipe.send(message)

    def end(self) -> str:
        """Wait until a process that has closed its pipe ends; return the cause of its death."""
        self.process.join(_END_WAIT_S)
        cause = cause_of_death(self.process.exitcode)
        self.kill()
        return cause

    def kill(self) -> None:
        """End the process and close its pipe."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


def cause_of_death(code: int | None) -> str:
    """Return the cause of a process's death from its exit code; None means it has not ended."""
    if code is None:
        return "without an answer"
    if code >= 0:
        return f"with the exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    hint = " (the system may be out of memory)" if name == "SIGKILL" else ""
    return f"by the signal {name}{hint}"

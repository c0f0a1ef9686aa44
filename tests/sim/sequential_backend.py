"""A backend that runs tasks in this process, one in each `wait`."""

import heapq
import pickle
from collections.abc import Callable, Sequence
from typing import Self

from cutlayer.sim.process.tasks import (
    ATTEMPTS,
    Done,
    Handle,
    Result,
    Task,
    Ticket,
    died,
    pickled,
    sent_error,
)


class _Submitted(Ticket):
    """A submitted task of Sequential."""

    def __init__(self, content: bytes, name: str, inputs: Sequence[Handle], done: Done) -> None:
        self.content = content
        self.name = name
        self.inputs = tuple(inputs)
        self.done = done
        self.deaths = 0


Choose = Callable[[Sequence[str]], int]
Dies = Callable[[str, int], bool]


class Sequential:
    """Runs the tasks in this process, one in each `wait`.

    `choose` gets the names of the tasks that can run, in the order in which they would, and returns the
    index of the one to run now. `dies` gets a task's name and the number of its deaths so far; if it
    returns True, the task is done, its outcome is dropped and it is tried again, as if its worker had
    died at the last moment.
    """

    jobs = 1

    def __init__(self, choose: Choose = lambda _: 0, dies: Dies = lambda *_: False) -> None:
        self._choose = choose
        self._dies = dies
        self._ready: list[tuple[int, int, _Submitted]] = []
        self._count = 0
        self._values: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ready.clear()
        self._values.clear()

    def submit(self, task: Task, inputs: Sequence[Handle], done: Done, priority: int = 0) -> Ticket:
        """Add a task. Raises TaskError, or KeyError if an input does not exist."""
        for handle in inputs:
            self.read(handle)
        ticket = _Submitted(pickled(task), task.name, inputs, done)
        self._count += 1
        heapq.heappush(self._ready, (-priority, self._count, ticket))
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Drop a task."""
        self._ready = [entry for entry in self._ready if entry[2] is not ticket]
        heapq.heapify(self._ready)

    def wait(self) -> None:
        """Run one task and call its `done`."""
        result = None
        while result is None and self._ready:
            order = sorted(self._ready)
            entry = order[self._choose([ticket.name for *_, ticket in order])]
            ticket = entry[2]
            result = self._result(ticket)
            if result is not None:
                self.cancel(ticket)
                ticket.done(result)

    def read(self, handle: Handle) -> memoryview:
        """Return the bytes of a handle. Raises KeyError if it is freed or unknown."""
        return memoryview(self._values[handle])  # type: ignore[index]

    def put(self, content: bytes | bytearray | memoryview) -> Handle:
        """Keep a copy of bytes."""
        self._count += 1
        self._values[self._count] = bytes(content)
        return self._count

    def free(self, handle: Handle) -> None:
        """Discard the bytes of a handle. Raises KeyError if it is freed or unknown."""
        del self._values[handle]  # type: ignore[arg-type]

    def _result(self, ticket: _Submitted) -> Result | None:
        """Return the result of a task; None if its worker died and it is to be tried again."""
        task: Task = pickle.loads(ticket.content)
        inputs = [self.read(handle) for handle in ticket.inputs]
        try:
            outcome = task.perform(inputs, lambda _: None)
        except Exception as error:
            return Result(error=sent_error(ticket.name, error))
        if self._dies(ticket.name, ticket.deaths):
            ticket.deaths += 1
            if ticket.deaths < ATTEMPTS:
                return None
            return Result(error=died(ticket.name, "by choice"))
        outputs = tuple(self.put(output) for output in outcome.outputs)
        return Result(pickle.loads(pickle.dumps(outcome.report)), outputs)

"""Run tasks on the workers of a Dask scheduler.

Inputs and outputs are bytes that stay on the workers and move from one to another where they are needed.
Dask computes again what was lost with a worker. For this it remembers how each value was made, from
which values, and so on. Without a limit, the death of a worker in round 1000 could repeat 1000 rounds: a
value that is `MAX_DEPTH` tasks away from content of this process is therefore fetched when it is used
next, and becomes such content.

A worker announces the end of a task, with its report, as an event. A report that is too large for
an event is extracted from the result by a further task, which has to wait for the worker's next task.
"""

import pickle
import queue
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from typing import Any, Final, Self

from cutlayer.models.own_object import folders_looked_in, looking_in
from cutlayer.sim.process.dask_connection import (
    ClusterError,
    Likeness,
    Numerics,
    alike,
    connect,
    connected,
    error_of,
    workers_of,
)
from cutlayer.sim.process.tasks import (
    Done,
    Handle,
    Note,
    Result,
    Task,
    Ticket,
    WorkerDiedError,
    pickled,
    sent_error,
)

MAX_DEPTH: Final = 8
LOOK_EVERY_S: Final = 5.0  # for workers, while no task ends
NO_WORKERS_S: Final = 300.0  # after which a cluster without workers is given up
GO_ON: Final = "resume the run to continue"
FIRST: Final = 1_000_000  # the priority of taking a result apart
_EVENT_BYTES: Final = 10_000  # the scheduler keeps events


@dataclass(eq=False)
class _Value:
    """A value on the cluster: a future, the index in its result, and the tasks that led to it."""

    future: Any
    index: int | None = None
    depth: int = 0


@dataclass(eq=False)
class _Submitted(Ticket):
    """A submitted task; `report` is a future of a report that came without an event."""

    number: int
    name: str
    result: Any
    depth: int
    done: Done
    report: Any = None


class DaskBackend:
    """Runs tasks on the cluster of the scheduler at an address, such as tcp://host:8786.

    Workers must have this process's code and, with `measure`, its numerics; torch has `threads` threads
    in them. Raises ClusterError if the cluster cannot be used, or no longer.
    """

    def __init__(
        self,
        address: str,
        threads: int = 1,
        measure: Numerics | None = None,
        note: Note = lambda _: None,
    ) -> None:
        self.address = address
        self._likeness = Likeness(threads, measure)
        self._note = note
        self._client: Any = None
        self._jobs = 1
        self._run = f"cutlayer-{secrets.token_hex(8)}"
        self._numbers = count()
        self._open: dict[int, _Submitted] = {}
        self._news: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()

    @property
    def jobs(self) -> int:
        """The number of workers when the connection was made."""
        return self._jobs

    def __enter__(self) -> Self:
        self._client = connect(self.address, self._likeness, self._note)
        workers = workers_of(self._client)
        self._jobs = len(workers)
        if any(about["nthreads"] > 1 for about in workers.values()):
            self._note(
                "a worker process does one task at a time, whatever its threads: start more workers"
                " with --nthreads 1"
            )
        self._client.subscribe_topic(self._run, lambda event: self._news.put(event[1]))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()
        if self._client is not None:
            self._client.close()  # the scheduler drops its tasks and values
            self._client = None

    def submit(self, task: Task, inputs: Sequence[Handle], done: Done, priority: int = 0) -> Ticket:
        """Run a task when its turn comes. Raises TaskError if it cannot be pickled."""
        values = [self._within_depth(handle) for handle in inputs]
        number = next(self._numbers)
        result = self._future(
            type(task).__name__,
            _perform,
            self._likeness.content,
            task.name,
            (self._run, number),
            pickled(task),
            folders_looked_in(),
            tuple(value.index for value in values),
            *(value.future for value in values),
            priority=priority,
        )
        depth = 1 + max((value.depth for value in values), default=0)
        self._open[number] = ticket = _Submitted(number, task.name, result, depth, done)
        self._watch(number, result)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Drop a task, unless it has ended."""
        assert isinstance(ticket, _Submitted)
        if self._open.pop(ticket.number, None) is not None:
            ticket.result.release()

    def wait(self) -> None:
        """Wait until a task has ended, and call `done` for all that have."""
        ended = 0
        while self._open and (not ended or not self._news.empty()):
            ended += self._handle(*self._next())

    def read(self, handle: Handle) -> memoryview:
        """Return the bytes of an input or output."""
        assert isinstance(handle, _Value)
        with self._connected():
            content = handle.future.result()
        return memoryview(content if handle.index is None else content[handle.index])

    def put(self, content: bytes | bytearray | memoryview) -> Handle:
        """Keep an input; the scheduler has a copy."""
        return _Value(self._given(bytes(content)))

    def free(self, handle: Handle) -> None:
        """Discard an input or output."""
        assert isinstance(handle, _Value)
        handle.future.release()

    def _within_depth(self, handle: Handle) -> _Value:
        assert isinstance(handle, _Value)
        if handle.depth >= MAX_DEPTH:
            content = bytes(self.read(handle))
            handle.future.release()
            handle.future, handle.index, handle.depth = self._given(content), None, 0
        return handle

    def _given(self, content: bytes) -> Any:
        return self._future("Input", _itself, content)

    def _future(
        self, what: str, function: Callable[..., Any], *arguments: Any, priority: int = FIRST
    ) -> Any:
        import dask

        # The scheduler has the content of inputs in its graph, so that no worker's death loses them.
        key = f"{what}-{self._run}-{next(self._numbers)}"
        with (
            self._connected(),
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}),
        ):
            return self._client.submit(function, *arguments, key=key, pure=False, priority=priority)

    def _watch(self, number: int, future: Any) -> None:
        future.add_done_callback(lambda ended: self._news.put((number, ended)))

    def _next(self) -> tuple[int, Any]:
        """Return a task's number, and its report as bytes or a future that has ended."""
        without_workers: float | None = None
        while True:
            try:
                return self._news.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                with self._connected():
                    workers = workers_of(self._client)
            if workers:
                without_workers = None
            elif without_workers is None:
                without_workers = time.monotonic()
                self._note(f"--scheduler {self.address}: has no workers; waiting for some")
            elif time.monotonic() - without_workers > NO_WORKERS_S:
                raise ClusterError(f"--scheduler {self.address}: all workers are gone; {GO_ON}")

    def _handle(self, number: int, news: Any) -> bool:
        """Call `done` of a task if it has ended; return whether it has."""
        ticket = self._open.get(number)
        if ticket is None:  # cancelled, or known already
            return False
        if isinstance(news, bytes):
            result = self._result(ticket, news)
        elif news.status in ("finished", "lost", "pending"):
            if news is not ticket.report or news.status != "finished":
                # It came without an event, or was lost with a worker and is computed again.
                ticket.report = self._future("Report", itemgetter(0), ticket.result)
                self._watch(number, ticket.report)
                return False
            with self._connected():
                result = self._result(ticket, news.result())
        else:
            with self._connected():
                error = error_of(news)
            if isinstance(error, WorkerDiedError):
                error = WorkerDiedError(f"{ticket.name}: {error}")
            result = Result(error=error)
        del self._open[number]
        ticket.done(result)
        return True

    def _result(self, ticket: _Submitted, content: bytes) -> Result:
        """Return the result of a task that has ended well, with a handle for each output."""
        report, outputs = pickle.loads(content)  # noqa: S301
        if outputs == 1:
            return Result(report, (_Value(ticket.result, 1, ticket.depth),))
        values = tuple(
            _Value(self._future("Output", itemgetter(index), ticket.result), None, ticket.depth)
            for index in range(1, outputs + 1)
        )
        ticket.result.release()
        return Result(report, values)

    def _connected(self) -> AbstractContextManager[None]:
        return connected(self._client, self.address, GO_ON)


def _itself(content: bytes) -> bytes:
    return content


def _perform(
    like: bytes,
    name: str,
    place: tuple[str, int],
    content: bytes,
    folders: tuple[str, ...],
    indices: tuple[int | None, ...],
    *values: Any,
) -> tuple[bytes, ...]:
    """Do a task in a worker; return the pickled report and number of outputs, then the outputs."""
    from distributed import get_worker

    with alike(like):
        inputs = [
            memoryview(value if index is None else value[index]).toreadonly()
            for index, value in zip(indices, values, strict=True)
        ]
        try:
            with looking_in(folders):
                task: Task = pickle.loads(content)  # noqa: S301
                outcome = task.perform(inputs, lambda _: None)
        except Exception as error:  # the submitter reports it
            raise sent_error(name, error) from None
    report = pickle.dumps((outcome.report, len(outcome.outputs)))
    if len(report) <= _EVENT_BYTES:
        topic, number = place
        get_worker().log_event(topic, (number, report))
    return (report, *map(bytes, outcome.outputs))

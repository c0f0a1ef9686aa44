"""A pool of worker processes on this machine, which lives as long as a command."""

import heapq
import os
import pickle
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import wait
from typing import Any, Final, Self

from cutlayer.models.own_object import folders_looked_in
from cutlayer.sim.process.exchange import Content, Exchange, ExchangeFile, write
from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.process.starter import Starter
from cutlayer.sim.process.tasks import (
    ATTEMPTS,
    WITHOUT_WORKERS,
    Done,
    Handle,
    Note,
    Result,
    Task,
    Ticket,
    WorkerDiedError,
    died,
    pickled,
)
from cutlayer.sim.process.worker import BEGUN, DONE, FAILED, NOTE, Order, WorkerSettings, serve
from cutlayer.sim.process.worker_process import Submitted, WorkerProcess

ASSIGNED: Final = 2  # tasks that a worker has at a time: it performs one, the others wait for it


class Pool:
    """Runs tasks in `jobs` worker processes with `threads` torch threads each (None: without torch).

    Workers are started when there are tasks for them, after the modules of `preload` were imported once
    for all if the system can fork. `note` gets messages for the user.
    """

    def __init__(
        self,
        jobs: int,
        threads: int | None = 1,
        *,
        preload: Sequence[str] = (),
        note: Note = lambda _: None,
        start_method: str | None = None,
    ) -> None:
        self.jobs = jobs
        self.note = note
        self._threads = threads
        torch = () if threads is None else ("torch",)
        modules = ("cutlayer.sim.process.worker", *torch, *preload)
        self._starter = Starter(modules, start_method)
        self._exchange = Exchange()
        self._workers: list[WorkerProcess] = []
        self._ready: list[tuple[int, int]] = []  # the turns of tasks without a worker
        self._open: dict[int, Submitted] = {}  # tasks that have neither ended nor been cancelled
        self._ended: deque[tuple[Submitted, Result]] = deque()  # those whose `done` is to be called
        self._values: set[ExchangeFile] = set()
        self._count = 0
        self._started = 0
        self._idle_deaths = 0  # in a row

    def __enter__(self) -> Self:
        """Make the exchange folders. Raises ExchangeError."""
        with ExitStack() as stack:
            stack.enter_context(self._exchange)
            self._starter.prepare()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the workers and remove all values."""
        with held_back():
            for worker in self._workers:
                worker.process.kill()
            for worker in self._workers:
                worker.kill()
            self._workers.clear()
            self._ready.clear()
            self._open.clear()
            self._ended.clear()
            self._values.clear()
            self._exchange.__exit__()

    def submit(self, task: Task, inputs: Sequence[Handle], done: Done, priority: int = 0) -> Ticket:
        """Add a task, and assign tasks to workers that have room.

        Raises TaskError if it cannot be pickled, KeyError if an input does not exist.
        """
        values = tuple(self._value(handle) for handle in inputs)
        self._count += 1
        order = Order(self._count, task.name, pickled(task), values, folders_looked_in())
        ticket = Submitted(order, done, -priority)
        self._open[order.number] = ticket
        heapq.heappush(self._ready, ticket.turn)
        self._advance()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Drop a task."""
        assert isinstance(ticket, Submitted)
        number = ticket.order.number
        if self._open.pop(number, None) is not None:
            for worker in self._workers:
                if number in worker.assigned:
                    worker.send(number)
        for entry in list(self._ended):
            if entry[0] is ticket:
                self._ended.remove(entry)
                for output in entry[1].outputs:
                    self.free(output)

    def wait(self) -> None:
        """Wait until a task has ended, and call `done` for all that have.

        Raises WorkerDiedError if workers die before they begin a task.
        """
        self._advance()
        while self._open and not self._ended:
            wait(list(self._pipes()))
            self._advance()
        while self._ended:
            ticket, result = self._ended.popleft()
            ticket.done(result)

    def read(self, handle: Handle) -> memoryview:
        """Map a value. Raises KeyError if it is freed or unknown."""
        return self._value(handle).read()

    def put(self, content: Content) -> Handle:
        """Write a value. Raises ExchangeError if there is no room."""
        self._count += 1
        value = write(self._exchange.folders, f"main-{self._count}", content)
        self._values.add(value)
        return value

    def free(self, handle: Handle) -> None:
        """Remove a value. Raises KeyError if it is freed or unknown."""
        value = self._value(handle)
        self._values.remove(value)
        value.remove()

    def _value(self, handle: Handle) -> ExchangeFile:
        if handle not in self._values:
            raise KeyError(handle)
        assert isinstance(handle, ExchangeFile)
        return handle

    def _advance(self) -> None:
        """Receive what the workers have sent, replace dead ones and give tasks to those with room."""
        with held_back():
            pipes = self._pipes()
            for pipe in wait(list(pipes), timeout=0):
                self._receive(pipes[pipe])
            while self._ready:
                least = min(self._workers, key=lambda worker: len(worker.assigned), default=None)
                if self._ready[0][1] not in self._open:  # cancelled
                    heapq.heappop(self._ready)
                elif (least is None or least.assigned) and len(self._workers) < self.jobs:
                    self._start_worker()
                elif least is None or len(least.assigned) >= ASSIGNED:
                    return
                else:
                    least.give(self._open[heapq.heappop(self._ready)[1]])

    def _pipes(self) -> "dict[Any, WorkerProcess]":
        return {worker.pipe: worker for worker in self._workers}

    def _start_worker(self) -> None:
        """Start a worker. Raises WorkerDiedError if that has failed too often."""
        self._started += 1
        name = f"worker{self._started}"
        settings = WorkerSettings(name, self._threads, self._exchange.folders, dict(os.environ))
        try:
            process, pipe = self._starter.start(serve, settings)
        except (OSError, EOFError) as error:
            self._died_idle(f"with {error!r}")
        else:
            self._workers.append(WorkerProcess(name, process, pipe))

    def _receive(self, worker: WorkerProcess) -> None:
        """Receive all messages of a worker; the end of its pipe means that it has died."""
        try:
            while worker.pipe.poll():
                word, number, *content = worker.pipe.recv()
                if word == BEGUN:
                    worker.begun = number
                    self._idle_deaths = 0
                elif word == NOTE:
                    self.note(*content)
                else:
                    worker.begun = None
                    del worker.assigned[number]
                    if word == DONE:
                        self._done(number, *content)
                    elif word == FAILED:
                        self._failed(number, *content)
        except (EOFError, OSError):
            self._remove_dead(worker)

    def _done(self, number: int, report: bytes, outputs: tuple[ExchangeFile, ...]) -> None:
        if number in self._open:
            self._values.update(outputs)
            result = Result(pickle.loads(report), outputs)  # noqa: S301
            self._ended.append((self._open.pop(number), result))
        else:  # it was cancelled while it ran
            for value in outputs:
                value.remove()

    def _failed(self, number: int, error: Exception) -> None:
        if number in self._open:
            self._ended.append((self._open.pop(number), Result(error=error)))

    def _remove_dead(self, worker: WorkerProcess) -> None:
        """Put back the tasks of a dead worker; count its death against the task that it had begun."""
        cause = worker.end()
        self._workers.remove(worker)
        for value in self._exchange.files(f"{worker.name}-"):
            if value not in self._values:  # written by the task that it had begun
                value.remove()
        for number, ticket in worker.assigned.items():
            if number not in self._open:
                continue
            if number == worker.begun:
                ticket.deaths += 1
                if ticket.deaths == ATTEMPTS:
                    self._failed(number, died(ticket.order.name, cause))
                    continue
                self.note(f"a worker died ({cause}); trying again: {ticket.order.name}")
            heapq.heappush(self._ready, ticket.turn)
        if worker.begun is None:
            self._died_idle(cause)

    def _died_idle(self, cause: str) -> None:
        self._idle_deaths += 1
        if self._idle_deaths == ATTEMPTS:
            self._idle_deaths = 0
            raise WorkerDiedError(
                f"{ATTEMPTS} workers died before they had begun anything, the last {cause};"
                f" do it {WITHOUT_WORKERS}"
            )

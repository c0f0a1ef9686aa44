"""The worker process of a pool: it performs one task after another until the main process is gone."""

import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, Final, NoReturn

from cutlayer.models.own_object import looking_in
from cutlayer.sim.process.allocator import keep_memory
from cutlayer.sim.process.exchange import ExchangeFile, clear, write
from cutlayer.sim.process.tasks import Task, sent_error

BEGUN: Final = "begun"  # the words of a worker's messages; the number of the task follows
NOTE: Final = "note"  # and a text
DONE: Final = "done"  # and the pickled report, the outputs and None
FAILED: Final = "failed"  # and an error
DROPPED: Final = "dropped"  # cancelled before it began


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of a worker, which it gets when it starts.

    `threads` are those of torch, None for tasks without torch. Its outputs go to the exchange folders.
    """

    name: str
    threads: int | None
    folders: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Order:
    """A task for a worker: its number, name and bytes, the inputs, and where to find users' modules.

    `path` is the main process's `sys.path` if it has changed, `own_folders` are those of `looking_in`.
    """

    number: int
    name: str
    content: bytes
    inputs: tuple[ExchangeFile, ...]
    own_folders: tuple[str, ...]
    path: tuple[str, ...] | None = None


def serve(pipe: "Connection[Any, Any]", settings: WorkerSettings) -> None:
    """Perform tasks; the outputs are files named after the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    if hasattr(signal, "pthread_sigmask"):  # it is blocked already unless the fork server has died
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.clear()
    os.environ.update(settings.environment)
    keep_memory()
    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    inbox: queue.SimpleQueue[Order] = queue.SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_receive, args=(pipe, settings, inbox, cancelled), daemon=True).start()
    names = (f"{settings.name}-{number}" for number in count())
    try:
        while True:
            order = inbox.get()
            if order.number in cancelled:
                pipe.send((DROPPED, order.number))
                continue
            pipe.send((BEGUN, order.number))
            pipe.send(_performed(order, settings, pipe, names))
    except OSError:
        _leave(settings)


def _performed(
    order: Order, settings: WorkerSettings, pipe: "Connection[Any, Any]", names: Iterator[str]
) -> tuple[Any, ...]:
    """Return the message with the outcome of a task, whose outputs are files with the next names."""
    outputs: list[ExchangeFile] = []
    if order.path is not None:
        sys.path[:] = order.path
    try:
        with looking_in(order.own_folders):
            task: Task = pickle.loads(order.content)  # noqa: S301
            inputs = [value.read() for value in order.inputs]
            outcome = task.perform(inputs, lambda text: pipe.send((NOTE, order.number, text)))
        report = pickle.dumps(outcome.report, pickle.HIGHEST_PROTOCOL)
        for output in outcome.outputs:
            outputs.append(write(settings.folders, next(names), output))
    except Exception as error:  # the main process reports it
        for written in outputs:
            written.remove()
        return FAILED, order.number, sent_error(order.name, error)
    return DONE, order.number, report, tuple(outputs)


def _receive(
    pipe: "Connection[Any, Any]",
    settings: WorkerSettings,
    inbox: "queue.SimpleQueue[Order]",
    cancelled: set[int],
) -> None:
    """Receive orders, and the numbers of cancelled tasks, while a task is performed.

    The main process never has to wait before it can send, and a worker ends with it at once.
    """
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            _leave(settings)
        if isinstance(message, Order):
            inbox.put(message)
        else:
            cancelled.add(message)


def _leave(settings: WorkerSettings) -> NoReturn:
    """End this process, since the main process has ended, and remove the exchange folders."""
    clear(settings.folders)
    os._exit(1)

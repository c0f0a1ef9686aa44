"""Run jobs in this process or in several; a job whose process dies is tried again.

Worker processes ignore Ctrl-C, which the main process handles, and end when the main process ends.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Protocol, Self

from cutlayer.errors import UserError
from cutlayer.models.own_object import is_own
from cutlayer.sim.process.python_path import safe_path_for_children
from cutlayer.sim.process.tasks import ATTEMPTS, WorkerDiedError

_PORTABLE: Final = ("builtins", "cutlayer")  # top-level packages that every process can import
_END_WAIT_S: Final = 10.0  # for a process that has closed its pipe


Done = Callable[[int, Any], None]
Note = Callable[[str], None]


class Job(Protocol):
    """A picklable job, and its name in messages."""

    @property
    def name(self) -> str:
        """What the job does."""

    def perform(self, note: Note) -> Any:
        """Return the result, which can be pickled; `note` shows what is being done."""


@dataclass(frozen=True)
class Failure:
    """A job that failed: its name, the error, and the worker's traceback."""

    name: str
    error: Exception
    trace: str = ""


class JobError(ValueError):
    """Failed jobs, raised when all other jobs have ended.

    Its class is UserJobError if the user can correct all of them.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("\n".join(f"{failed.name}: {failed.error}" for failed in failures))
        for failed in failures:
            if failed.trace:
                self.add_note(f"{failed.name}, in its worker:\n{failed.trace}")


class UserJobError(JobError, UserError):
    """Failed jobs, each with an error that the user can correct."""


def job_error(failures: Sequence[Failure]) -> JobError:
    """Return the error that reports failed jobs."""
    users = all(isinstance(failed.error, UserError) for failed in failures)
    return (UserJobError if users else JobError)(failures)


def portable(error: Exception) -> Exception:
    """Return an error that any process can unpickle: Cutlayer's or Python's own, or a RuntimeError.

    What a user's code raises has a type that only the worker may know.
    """
    module = type(error).__module__
    if module.partition(".")[0] in _PORTABLE and not is_own(module):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


class Workers(Protocol):
    """A context that runs jobs; `done` gets each job's number and result as it ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do all jobs. Raises JobError for failed ones, after all others have ended."""


class Here(Workers):
    """Runs the jobs in this process, one after another; `threads` is None for jobs without torch."""

    def __init__(self, threads: int | None = 1) -> None:
        self.threads = threads

    def __enter__(self) -> Self:
        _set_threads(self.threads)
        return self

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do the jobs in order."""
        for number, job in enumerate(jobs):
            note(job.name)
            done(number, job.perform(note))


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: "Connection[Any, Any]"
    job: int | None = None

    def end(self) -> str:
        """Wait until a process that has closed its pipe ends; return the cause of its death."""
        self.process.join(_END_WAIT_S)
        cause = _cause(self.process.exitcode)
        self.kill()
        return cause

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


@dataclass
class Processes(Workers):
    """Runs the jobs in `count` processes with `threads` torch threads each (None: without torch)."""

    count: int
    threads: int | None = 1
    _workers: list[_Worker] = field(default_factory=list)

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers = []

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do the jobs in parallel; `done` gets results as they come."""
        waiting = deque(range(len(jobs)))
        attempts = [0] * len(jobs)
        failed: list[Failure] = []
        while len(self._workers) < min(self.count, len(jobs)):
            self._workers.append(self._hire())
        for worker in self._workers:
            self._give(worker, jobs, waiting)
        while busy := {w.pipe: w for w in self._workers if w.job is not None}:
            for worker in [busy[pipe] for pipe in wait(list(busy))]:  # type: ignore[index]
                assert worker.job is not None
                name = jobs[worker.job].name
                try:
                    word, content = worker.pipe.recv()
                except (EOFError, OSError):
                    cause = worker.end()
                    attempts[worker.job] += 1
                    if attempts[worker.job] < ATTEMPTS:
                        note(f"a worker died ({cause}); trying again: {name}")
                        waiting.appendleft(worker.job)
                    else:
                        what = f"{ATTEMPTS} workers died running it, the last {cause}"
                        failed.append(Failure(name, WorkerDiedError(what)))
                    self._workers.remove(worker)
                    if waiting:
                        self._workers.append(self._hire())
                        self._give(self._workers[-1], jobs, waiting)
                    continue
                if word == "note":
                    note(content)
                    continue
                if word == "done":
                    done(worker.job, content)
                else:
                    failed.append(Failure(name, *content))
                self._give(worker, jobs, waiting)
        if failed:
            raise job_error(failed)

    def _give(self, worker: _Worker, jobs: Sequence[Job], waiting: deque[int]) -> None:
        worker.job = waiting.popleft() if waiting else None
        while worker.job is not None:
            try:
                worker.pipe.send(jobs[worker.job])
            except OSError:  # it died while idle, not because of this job
                worker.end()
                fresh = self._hire()
                worker.process, worker.pipe = fresh.process, fresh.pipe
            else:
                return

    def _hire(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.threads), daemon=True)
        with safe_path_for_children():
            process.start()
        theirs.close()
        return _Worker(process, ours)


def _cause(code: int | None) -> str:
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


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _serve(pipe: "Connection[Any, Any]", threads: int | None) -> None:
    """Do one job after another until the main process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _set_threads(threads)
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        answer: tuple[str, Any]
        try:
            answer = ("done", job.perform(lambda text: pipe.send(("note", text))))
        except Exception as error:  # the main process reports it
            answer = ("failed", (portable(error), traceback.format_exc()))
        pipe.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

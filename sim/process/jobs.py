"""Run the jobs of a study in this process or in several; a job whose process dies is tried again."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self

from cutlayer.errors import UserError
from cutlayer.sim.process.pool import ASSIGNED, Pool
from cutlayer.sim.process.tasks import Note, Outcome, Result, Ticket

Done = Callable[[int, Any], None]


class Job(Protocol):
    """A picklable job, and its name in messages."""

    @property
    def name(self) -> str:
        """What the job does."""

    def perform(self, note: Note) -> Any:
        """Return the result, which can be pickled; `note` shows what is being done."""


@dataclass(frozen=True)
class Failure:
    """A job that failed: its name, and the error, with the worker's traceback as a note."""

    name: str
    error: Exception

    def __str__(self) -> str:
        name = f"{self.name}: "  # which the error of a worker that died begins with
        return name + str(self.error).removeprefix(name)


class JobError(ValueError):
    """Failed jobs, raised when all other jobs have ended.

    Its class is UserJobError if the user can correct all of them.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("\n".join(map(str, failures)))
        for failed in failures:
            for note in getattr(failed.error, "__notes__", ()):
                self.add_note(note)


class UserJobError(JobError, UserError):
    """Failed jobs, each with an error that the user can correct."""


def job_error(failures: Sequence[Failure]) -> JobError:
    """Return the error that reports failed jobs."""
    users = all(isinstance(failed.error, UserError) for failed in failures)
    return (UserJobError if users else JobError)(failures)


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
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        return self

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do the jobs in order."""
        for number, job in enumerate(jobs):
            note(job.name)
            done(number, job.perform(note))


class Processes(Workers):
    """Runs the jobs in `count` worker processes with `threads` torch threads each (None: without torch).

    The processes import the modules of `preload` before the first job.
    """

    def __init__(self, count: int, threads: int | None = 1, *, preload: Sequence[str] = ()) -> None:
        self._pool = Pool(count, threads, preload=preload)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__()

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do the jobs in parallel; `done` gets results as they come."""
        self._pool.note = note
        waiting = deque(enumerate(jobs))
        running: dict[int, Ticket] = {}
        failed: list[Failure] = []

        def submit_next() -> None:
            if waiting:
                number, job = waiting.popleft()
                running[number] = self._pool.submit(_JobTask(job), (), partial(ended, number))

        def ended(number: int, result: Result) -> None:
            del running[number]
            submit_next()
            if result.error is None:
                done(number, result.report)
            else:
                failed.append(Failure(jobs[number].name, result.error))

        try:
            for _ in range(ASSIGNED * self._pool.jobs):
                submit_next()
            while running:
                self._pool.wait()
        finally:
            for ticket in running.values():
                self._pool.cancel(ticket)
        if failed:
            raise job_error(failed)


@dataclass(frozen=True)
class _JobTask:
    """A job as a task without inputs and outputs."""

    job: Job

    @property
    def name(self) -> str:
        return self.job.name

    def perform(self, _: Sequence[memoryview], note: Note) -> Outcome:
        return Outcome(self.job.perform(note))

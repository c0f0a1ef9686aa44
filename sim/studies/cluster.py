"""Run a study's jobs on a Dask cluster: the same results, in the same order of rows.

Every worker needs this Cutlayer, the same numerics, and the files that a scenario names under the same
absolute paths. A worker does one job at a time, regardless of its threads. The scheduler retries the job
of a worker that dies.
"""

from collections.abc import Sequence
from typing import Any, Self

from cutlayer.sim.process.dask_connection import (
    Likeness,
    Numerics,
    alike,
    connect,
    connected,
    error_of,
)
from cutlayer.sim.process.jobs import Done, Failure, Job, Workers, job_error
from cutlayer.sim.process.tasks import Note, sent_error


class Cluster(Workers):
    """The workers of the scheduler at an address, such as tcp://host:8786.

    `note` gets a line if the scheduler does not answer soon.

    Raises ClusterError if the scheduler does not answer, has no workers, or workers have other code or,
    with `measure`, other numerics.
    """

    def __init__(
        self,
        address: str,
        threads: int = 1,
        measure: Numerics | None = None,
        note: Note = lambda _: None,
    ) -> None:
        self.address = address
        self._note = note
        self._likeness = Likeness(threads, measure)
        self._client: Any = None

    def __enter__(self) -> Self:
        self._client = connect(self.address, self._likeness, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do all jobs; `done` gets results as they come, `note` is not called."""

        del note
        lost = connected(self._client, self.address, "sweep again to continue")
        with lost, self._client.as_current():
            self._run(jobs, done)

    def _run(self, jobs: Sequence[Job], done: Done) -> None:
        import distributed

        done_first: Any = distributed.as_completed
        futures = {
            self._client.submit(perform_one, job, self._likeness.content, pure=False): number
            for number, job in enumerate(jobs)
        }
        failed = []
        for future in done_first(list(futures)):
            number = futures[future]
            if future.status == "finished":
                done(number, future.result())
                future.release()
            else:
                name = jobs[number].name
                error = error_of(future).with_traceback(future.traceback())
                failed.append(Failure(name, sent_error(name, error)))
        if failed:
            raise job_error(failed)


def perform_one(job: Job, like: bytes) -> Any:
    """Do a job in a worker."""
    with alike(like):
        return job.perform(lambda _: None)

"""Run a study's jobs on a Dask cluster: the same results, in the same order of rows.

Every worker needs this Cutlayer, the same numerics, and the files that a scenario names under the same
absolute paths. A worker does one job at a time, regardless of its threads. The scheduler retries the job
of a worker that dies.
"""

import logging
import threading
import traceback
from collections.abc import Sequence
from typing import Any, Self

from cutlayer.errors import UserError
from cutlayer.sim.process.tasks import WorkerDiedError
from cutlayer.sim.process.workers import (
    Done,
    Failure,
    Job,
    Note,
    Workers,
    job_error,
    portable,
)
from cutlayer.sim.studies.content_address import CELL_CODE, DRAWS_CODE, code_digest

TIMEOUT_S = 60  # the scheduler's machine may be busy with its workers' jobs
_one_at_a_time = threading.Lock()


class ClusterError(UserError):
    """A cluster that cannot be used; the message says why."""


class Cluster(Workers):
    """The workers of the scheduler at an address, such as tcp://host:8786.

    Raises ClusterError if the scheduler does not answer, has no workers, or workers have other code.
    """

    def __init__(self, address: str, threads: int = 1) -> None:
        self.address = address
        self.threads = threads
        self._client: Any = None

    def __enter__(self) -> Self:
        try:
            import distributed
        except ImportError:
            raise ClusterError("--scheduler needs Dask: pip install 'cutlayer[dask]'") from None
        # It logs a traceback when the scheduler goes away; here that is a one-line error.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            client: Any = distributed.Client
            self._client = client(self.address, timeout=TIMEOUT_S)
        except (OSError, ValueError, TimeoutError) as error:
            why = str(error) or "no answer"
            raise self._error(f"cannot be reached: {why}") from None
        if not self._client.scheduler_info(n_workers=-1)["workers"]:
            raise self._error("has no workers; start some first")
        parts = (*CELL_CODE, *DRAWS_CODE)
        for worker, code in self._client.run(code_digest, parts).items():
            if code != code_digest(parts):
                raise self._error(f"worker {worker} has another version of Cutlayer")
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _error(self, why: str) -> ClusterError:
        self.__exit__()
        return ClusterError(f"--scheduler {self.address}: {why}")

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        """Do all jobs; `done` gets results as they come, `note` is not called."""
        import distributed

        del note
        done_first: Any = distributed.as_completed
        futures = {
            self._client.submit(perform_one, job, self.threads, pure=False): number
            for number, job in enumerate(jobs)
        }
        failed = []
        for future in done_first(list(futures)):
            number = futures[future]
            if future.status == "finished":
                done(number, future.result())
                future.release()
            else:
                failed.append(self._failure(jobs[number].name, future))
        if failed:
            raise job_error(failed)

    def _failure(self, name: str, future: Any) -> Failure:
        """Return why a job failed. Raises ClusterError if the scheduler is gone."""
        from distributed.scheduler import KilledWorker

        if future.status in ("cancelled", "lost"):
            raise self._error("the connection was lost; sweep again to go on")
        error = future.exception()
        if isinstance(error, KilledWorker):
            what = "every worker that tried it died; see the workers' logs for the cause"
            return Failure(name, WorkerDiedError(what))
        trace = "".join(traceback.format_tb(future.traceback()))
        return Failure(name, portable(error), trace)


def perform_one(job: Job, threads: int) -> Any:
    """Do a job in a worker."""
    import torch

    with _one_at_a_time:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        return job.perform(lambda _: None)

"""Connect to a Dask scheduler, and check that its workers would compute the same bits as this process.

Equal code and equal numerics give equal bits. Workers that join later are checked before their first
task, in `alike`.
"""

import logging
import pickle
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.sim.files.code_digest import code_digest
from cutlayer.sim.process.allocator import keep_memory
from cutlayer.sim.process.tasks import Note, WorkerDiedError

TIMEOUT_S: Final = 60  # the scheduler's machine may be busy with its workers' tasks
SILENT_S: Final = 3.0  # after which the user is told what the command waits for
ADDRESS: Final = re.compile(r"(?:tcp|tls|wss?|ucx)://.+:\d{1,5}/?")
Numerics = Callable[[], Mapping[str, Any] | None]
_one_at_a_time = threading.Lock()


class ClusterError(UserError):
    """A cluster that cannot be used; the message says why."""


class Likeness:
    """What workers must share with this process: its code and, with `measure`, its numerics.

    `measure` is a function of a module. Torch uses `threads` threads in a worker. `content` is the
    likeness as bytes, which is sent to the workers.
    """

    def __init__(self, threads: int, measure: Numerics | None) -> None:
        numerics = None if measure is None else _measured(measure, threads)
        self.content = pickle.dumps((code_digest(), threads, measure, numerics))


def connect(address: str, like: Likeness, note: Note = lambda _: None) -> Any:
    """Return a Dask client of the scheduler at an address, such as tcp://host:8786.

    `note` gets a line, from another thread, if the scheduler does not answer soon.

    Raises ClusterError if Dask is not installed, the address has another form, the scheduler does not
    answer, it has no workers, or one of them is not alike.
    """
    try:
        import distributed
    except ImportError:
        raise ClusterError("--scheduler needs Dask: pip install 'cutlayer[dask]'") from None
    # A client that cannot read its address waits two minutes until it has closed.
    if not ADDRESS.fullmatch(address):
        raise ClusterError(
            "--scheduler must be an address such as tcp://host:8786 or tls://host:8786"
            f" (got {address!r})"
        )
    # They log tracebacks when the scheduler goes away; here that is a one-line error.
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    make: Any = distributed.Client
    waits = f"waiting for the scheduler {address}, up to {TIMEOUT_S} s"
    timer = threading.Timer(SILENT_S, note, [waits])
    timer.daemon = True
    timer.start()
    try:
        client = make(address, timeout=TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"--scheduler {address}: cannot be reached: {str(error) or 'no answer'};"
            " is `dask scheduler` running there?"
        ) from None
    finally:
        timer.cancel()
    try:
        if not workers_of(client):
            raise ClusterError(f"--scheduler {address}: has no workers; start some first")
        found = client.run(difference_to, like.content, on_error="return")
        for worker, difference in found.items():
            if isinstance(difference, ImportError | AttributeError):
                difference = f"has no Cutlayer, or another version of it ({difference})"
            elif isinstance(difference, Exception):
                difference = f"cannot be used: {type(difference).__name__}: {difference}"
            if difference:
                raise ClusterError(f"--scheduler {address}: worker {worker} {difference}")
    except BaseException:
        client.close()
        raise
    return client


def workers_of(client: Any) -> Mapping[str, Any]:
    """Return what the scheduler knows of each worker, by address. Raises OSError if it is gone."""
    known: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return known


@contextmanager
def connected(client: Any, address: str, then: str) -> Iterator[None]:
    """Raise ClusterError, which says what to do `then`, if the scheduler is lost in the block."""
    from distributed import CancelledError

    lost = ClusterError(f"--scheduler {address}: the connection was lost; {then}")
    if client.status != "running":  # it would wait for a scheduler that does not know the tasks
        raise lost
    try:
        yield
    except Exception as error:
        gone = isinstance(error, OSError | CancelledError) or client.status != "running"
        if not gone or isinstance(error, ClusterError):
            raise
        raise lost from None


def error_of(future: Any) -> Exception:
    """Return the error of a task that failed. Raises CancelledError if the scheduler dropped it."""
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise CancelledError
    error: Exception = future.exception()
    if isinstance(error, KilledWorker):
        return WorkerDiedError(
            "every worker that tried it died; see the workers' logs for the cause"
        )
    return error


@cache
def difference_to(like: bytes) -> str:
    """Return how this worker differs from a `Likeness`, "" if it does not."""
    code, threads, measure, numerics = pickle.loads(like)  # noqa: S301
    if code_digest() != code:
        return "has another version of Cutlayer"
    if measure is None:
        return ""
    own = _measured(measure, threads)
    differing = [
        f"{name} {own.get(name)} instead of {value}"
        for name, value in numerics.items()
        if own.get(name) != value
    ]
    if not differing:
        return ""
    return f"would compute other bits ({', '.join(differing)}); use workers that are alike"


@contextmanager
def alike(like: bytes) -> Iterator[None]:
    """Let a worker do one task at a time. Raises ClusterError if it differs from a `Likeness`."""
    with _one_at_a_time:
        if difference := difference_to(like):
            raise ClusterError(f"a worker that has joined {difference}")
        _prepare()
        _set_threads(pickle.loads(like)[1])  # noqa: S301
        yield


@cache
def _prepare() -> None:
    keep_memory()


def _measured(measure: Numerics, threads: int) -> Mapping[str, Any]:
    """Return the numerics of this process with `threads` torch threads."""
    import torch

    before = torch.get_num_threads()
    _set_threads(threads)
    numerics = measure()
    _set_threads(before)
    return numerics or {}


def _set_threads(threads: int) -> None:
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)

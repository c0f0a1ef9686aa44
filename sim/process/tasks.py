"""Tasks, and the backends that run them: in worker processes or on a Dask cluster.

A task is a picklable object with plain data. Larger values, such as the states of a model, are its
inputs and outputs: bytes that the backend keeps, each identified by a handle. A task is pure: with the
same inputs it gives the same outputs in every process, so that it can be repeated if its worker dies.
"""

import io
import pickle
import traceback
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from cutlayer.errors import UserError
from cutlayer.models.own_object import is_own

ATTEMPTS: Final = 3  # to run a task whose workers die
WITHOUT_WORKERS: Final = "without workers (--executor inline, or --jobs 1 in a study)"
_PORTABLE: Final = ("builtins", "cutlayer")  # top-level packages that every process can import

Note = Callable[[str], None]
Handle = Hashable  # names one input or output; only the backend that made it knows its meaning


@dataclass(frozen=True)
class Outcome:
    """What a task returns: a small picklable report, and the outputs as bytes."""

    report: Any
    outputs: tuple[bytes | bytearray | memoryview, ...] = ()


class Task(Protocol):
    """A picklable task, and its name in messages, such as "classic_fl, round 3, client 7"."""

    @property
    def name(self) -> str:
        """What the task does."""

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        """Return the outcome. `inputs` are read-only; `note` shows what is being done.

        A view of an input may be kept after the call, and stays valid when its handle is freed.
        """


@dataclass(frozen=True)
class Result:
    """The end of a task: its report and the handles of its outputs, or an error.

    The error is a UserError if the user can correct it. Its notes (`__notes__`) hold the worker's
    traceback.
    """

    report: Any = None
    outputs: tuple[Handle, ...] = ()
    error: Exception | None = None


Done = Callable[[Result], None]


class Ticket:
    """Identifies a submitted task to `cancel`."""


class Backend(Protocol):
    """A context that runs tasks. It calls `done` for each, in `wait` and in the thread of the caller."""

    @property
    def jobs(self) -> int:
        """The number of tasks that run at the same time."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def submit(self, task: Task, inputs: Sequence[Handle], done: Done, priority: int = 0) -> Ticket:
        """Run a task once its turn comes: higher priorities first, and earlier tasks among equals.

        The inputs exist and are not freed before the task has ended or was cancelled. Raises TaskError
        if the task cannot be pickled.
        """

    def cancel(self, ticket: Ticket) -> None:
        """Drop a task: one that has not begun never runs, the result of a running one is dropped.

        `done` is not called. Nothing happens if the task has ended.
        """

    def wait(self) -> None:
        """Wait until a task has ended, and call `done` for all that have.

        Returns at once if no task is submitted.
        """

    def read(self, handle: Handle) -> memoryview:
        """Return the bytes of an input or output, read-only."""

    def put(self, content: bytes | bytearray | memoryview) -> Handle:
        """Keep an input that this process provides."""

    def free(self, handle: Handle) -> None:
        """Discard an input or output."""


class TaskError(UserError):
    """A task that cannot be sent to a worker process."""


class WorkerDiedError(UserError):
    """A task that killed every worker that tried it."""


def pickled(task: Task) -> bytes:
    """Return the bytes of a task. Raises TaskError."""
    try:
        content = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
        if b"__main__" in content:
            _Check(io.BytesIO(content)).load()
        return content
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TaskError(
            f"{task.name}: cannot be sent to a worker process ({error}): define a method's operations,"
            " and the classes of their data, at the top level of a module, or use --executor inline"
        ) from error


class _Check(pickle.Unpickler):
    """Refuses what is defined in the script that runs, which workers do not import."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return a class or function. Raises PicklingError if it is the script's."""
        if module_name == "__main__":
            raise pickle.PicklingError(f"{global_name} is defined in the script that runs")
        return super().find_class(module_name, global_name)


def portable(error: Exception) -> Exception:
    """Return an error that any process can unpickle: Cutlayer's or Python's own.

    What a user's code raises has a type that only the worker may know: it becomes a UserError if it is
    one, otherwise a RuntimeError.
    """
    module = type(error).__module__
    if module.partition(".")[0] in _PORTABLE and not is_own(module):
        with suppress(Exception):  # its constructor takes other arguments than `args`
            pickle.loads(pickle.dumps(error))  # noqa: S301
            return error
    if isinstance(error, UserError):
        return UserError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def sent_error(name: str, error: Exception) -> Exception:
    """Return the error of a task as its worker reports it: portable, with the traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    sent = portable(error)
    sent.add_note(f"{name}, in its worker:\n{trace}")
    return sent


def died(name: str, cause: str) -> WorkerDiedError:
    """Return the error of a task that killed its workers."""
    return WorkerDiedError(f"{name}: {ATTEMPTS} workers died running it, the last {cause}")

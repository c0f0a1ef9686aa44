"""The executors by name.

A new executor is a runtime (`cutlayer.sim.learning.executor`) and an entry of EXECUTORS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.scenarios.numerics import DEFAULT
from cutlayer.sim.learning.executor import ExecutorSettings, Runtime
from cutlayer.suggestion import suggestion


@dataclass(frozen=True)
class ExecutorEntry:
    """An executor of the registry: `make` returns its runtime; without it, no tensors exist.

    `begin` begins, in the background, what takes time and needs only the number of jobs. `elsewhere`
    says that it trains in other processes.
    """

    summary: str
    make: Callable[[ExecutorSettings], Runtime] | None = None
    begin: Callable[[int | None], None] | None = None
    elsewhere: bool = False

    @property
    def trains(self) -> bool:
        """Whether it trains, which needs data and weights."""
        return self.make is not None


class UnknownExecutorError(UserError):
    """An unknown executor name."""


def _stacked(settings: ExecutorSettings) -> Runtime:
    from cutlayer.sim.learning.stacked.executor import StackedRuntime

    return StackedRuntime(settings)


def _inline(settings: ExecutorSettings) -> Runtime:
    from cutlayer.sim.learning.inline import InlineRuntime

    return InlineRuntime(settings)


def _processes(settings: ExecutorSettings) -> Runtime:
    from cutlayer.sim.learning.graph.processes import processes

    return processes(settings)


def _begin_processes(jobs: int | None) -> None:
    from cutlayer.sim.learning.graph.preloaded import begin_imports

    begin_imports(jobs)


def _dask(settings: ExecutorSettings) -> Runtime:
    from cutlayer.sim.learning.graph.dask import dask_runtime

    return dask_runtime(settings)


EXECUTORS: Final[Mapping[str, ExecutorEntry]] = {
    "none": ExecutorEntry("simulates time and bytes only, without tensors and data"),
    "inline": ExecutorEntry("trains in this process, client after client", _inline),
    "processes": ExecutorEntry(
        "trains in worker processes, with the bits of inline",
        _processes,
        _begin_processes,
        elsewhere=True,
    ),
    "stacked": ExecutorEntry(
        "trains in this process, clients of equal shape side by side", _stacked
    ),
    "dask": ExecutorEntry("trains on the workers of a Dask scheduler", _dask, elsewhere=True),
}


def executor_entry(name: str) -> ExecutorEntry:
    """Return the executor of a name. Raises UnknownExecutorError."""
    if name not in EXECUTORS:
        raise UnknownExecutorError(
            f"executor: unknown executor {name!r}{suggestion(name, EXECUTORS)}"
        )
    return EXECUTORS[name]


def begin(name: str, jobs: int | None) -> None:
    """Begin what an executor will need and what takes time, in the background.

    Raises UnknownExecutorError.
    """
    entry = executor_entry(name)
    if entry.begin is not None:
        entry.begin(jobs)


def open_runtime(name: str, settings: ExecutorSettings | None = None) -> Runtime | None:
    """Return the runtime of an executor, a context; None if it does not train.

    Raises UnknownExecutorError, and UserError if the settings do not fit.
    """
    entry, settings = executor_entry(name), settings or ExecutorSettings()
    if entry.make is None:
        if settings.device != "cpu":
            raise UserError(
                f"device: the executor {name} trains nothing, so it uses no device"
                f" (got {settings.device!r})"
            )
        return None
    runtime = entry.make(settings)
    if settings.numerics.dtype != DEFAULT.dtype:
        from cutlayer.sim.learning.precision import check_numerics

        check_numerics(settings.numerics, settings.device)
    return runtime


def numerics_of(name: str, settings: ExecutorSettings | None = None) -> dict[str, Any] | None:
    """Return the numerics of an executor; None if it does not train."""
    runtime = open_runtime(name, settings)
    return None if runtime is None else runtime.numerics()

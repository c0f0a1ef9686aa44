"""The `processes` executor: tasks run in worker processes on this machine."""

import os
from typing import Any, Final, Self

import torch

from cutlayer.sim.learning.executor import ExecutorSettings, Runtime
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.learning.inline import InlineRuntime
from cutlayer.sim.process.pool import Pool

_PRELOADED: Final = (
    "cutlayer.sim.learning.graph.groups",
    "cutlayer.sim.learning.graph.tasks",
    "cutlayer.sim.learning.operations",
    "cutlayer.sim.learning.distillation",
    "cutlayer.sim.learning.activation_buffer",
    "torch._dynamo",  # an optimizer imports it with its first step, which takes half a second
)


class OneProcess(InlineRuntime):
    """Trains in this process with the number of torch threads of a worker."""

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._threads = torch.get_num_threads()

    def __enter__(self) -> Self:
        torch.set_num_threads(self.settings.threads)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        torch.set_num_threads(self._threads)

    def numerics(self) -> dict[str, Any]:
        """Return what determines the bits of a training in addition to its digest."""
        return super().numerics() | {"threads": self.settings.threads}


def processes(settings: ExecutorSettings) -> Runtime:
    """Return the runtime of worker processes, by default one for each core.

    With one job it trains in this process, which costs less than a worker and gives the same bits.
    """
    if (settings.jobs or cores()) == 1:
        return OneProcess(settings)
    return GraphRuntime(settings, _pool, at_once=True)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool(settings: ExecutorSettings) -> Pool:
    jobs = settings.jobs or cores()
    return Pool(jobs, settings.threads, preload=_PRELOADED, note=settings.note)

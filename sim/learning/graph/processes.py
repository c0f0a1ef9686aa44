"""The `processes` executor: tasks run in worker processes on this machine."""

from typing import Any, Self

import torch

from cutlayer.sim.learning.executor import ExecutorSettings, Runtime
from cutlayer.sim.learning.graph.preloaded import PRELOADED
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.learning.inline import InlineRuntime
from cutlayer.sim.process.cores import cores
from cutlayer.sim.process.pool import Pool


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


def _pool(settings: ExecutorSettings) -> Pool:
    jobs = settings.jobs or cores()
    return Pool(jobs, settings.threads, preload=PRELOADED, note=settings.note)

"""The `processes` executor: tasks run in worker processes on this machine."""

import os
from typing import Final

from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.process.pool import Pool

_PRELOADED: Final = (
    "cutlayer.sim.learning.graph.groups",
    "cutlayer.sim.learning.graph.tasks",
    "cutlayer.sim.learning.operations",
    "cutlayer.sim.learning.distillation",
    "cutlayer.sim.learning.activation_buffer",
    "torch._dynamo",  # an optimizer imports it with its first step, which takes half a second
)


def processes(settings: ExecutorSettings) -> GraphRuntime:
    """Return the runtime of worker processes, by default one for each core."""
    return GraphRuntime(settings, _pool, at_once=True)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool(settings: ExecutorSettings) -> Pool:
    jobs = settings.jobs or cores()
    return Pool(jobs, settings.threads, preload=_PRELOADED, note=settings.note)

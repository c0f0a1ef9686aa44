"""The `dask` executor: the graph of a training on the workers of a Dask scheduler."""

from functools import partial

from cutlayer.errors import UserError
from cutlayer.sim.learning.accelerator import device_of
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.learning.numerics import numerics
from cutlayer.sim.process.dask_backend import DaskBackend


def dask_runtime(settings: ExecutorSettings) -> GraphRuntime:
    """Return the runtime, which connects when its context is entered.

    Raises UserError if the settings name no scheduler.
    """
    return GraphRuntime(settings, _backend, at_once=True)


def _backend(settings: ExecutorSettings) -> DaskBackend:
    if settings.scheduler is None:
        raise UserError("--executor dask needs --scheduler, such as tcp://host:8786")
    of_worker = partial(numerics, device_of(settings.device), settings.numerics)
    return DaskBackend(settings.scheduler, settings.threads, of_worker, settings.note)

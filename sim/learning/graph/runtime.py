"""The runtime of graph executors: a backend that all runs of a command share."""

from collections import deque
from collections.abc import Callable
from typing import Any, Self
from weakref import WeakSet

import torch

from cutlayer.models.own_object import folders_looked_in
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.learning.accelerator import device_of
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.graph.evaluating import test_batches
from cutlayer.sim.learning.graph.executor import GraphExecutor
from cutlayer.sim.learning.graph.set_up import (
    KEPT_WORKSPACES,
    DataSetUp,
    data_set_up,
    set_up,
)
from cutlayer.sim.learning.graph.task_graph import Graph, Value
from cutlayer.sim.learning.numerics import numerics
from cutlayer.sim.learning.values import encode
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.process.tasks import Backend


class GraphRuntime:
    """Trains on a backend; numerics are those of `inline`.

    The backend starts with the first executor or, with `at_once`, with the context of the runtime.
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        backend: Callable[[ExecutorSettings], Backend],
        *,
        at_once: bool = False,
    ) -> None:
        self.settings = settings
        self._device = device_of(settings.device)
        self._at_once = at_once
        self._make = backend
        self._backend: Backend | None = None
        self._graphs: WeakSet[Graph] = WeakSet()
        self._ended: deque[str] = deque(maxlen=KEPT_WORKSPACES)
        self._data: dict[int, tuple[Dataset, DataSetUp, Value]] = {}  # by identity

    def __enter__(self) -> Self:
        if self._at_once:
            self._started()
        return self

    def __exit__(self, *error: object) -> None:
        """End the backend, and with it all values."""
        for graph in self._graphs:
            graph.leave()
        self._data.clear()
        if self._backend is not None:
            self._backend.__exit__(*error)

    @property
    def jobs(self) -> int:
        """The number of tasks that run at the same time."""
        return 1 if self._backend is None else self._backend.jobs

    @property
    def queued(self) -> int:
        """The number of tasks that run or could run now."""
        return sum(graph.submitted for graph in self._graphs)

    def executor(self, workspace: Workspace) -> GraphExecutor:
        """Return an executor for a method's run."""
        self._started()
        graph = self._graph()
        dataset = workspace.feed.dataset
        if id(dataset) not in self._data:
            described, content = data_set_up(dataset)
            self._data[id(dataset)] = dataset, described, self._graph().put(content)
        _, described, data = self._data[id(dataset)]
        folders = tuple(dict.fromkeys([*self.settings.folders, *folders_looked_in()]))
        ended = tuple(self._ended)
        own, shards = set_up(workspace, described, folders, self._device, ended)
        states = {key: graph.put(encode(value)) for key, value in workspace.states.items()}
        batches = test_batches(len(dataset.test_labels), workspace.recipe.min_batch)
        inputs = [data, graph.put(shards)]
        return GraphExecutor(graph, own, inputs, states, batches, self._ended.append)

    def wait(self) -> None:
        """Wait until some work that was issued is done."""
        if self._backend is not None:
            self._backend.wait()

    def numerics(self) -> dict[str, Any]:
        """Return what determines the bits of a training in addition to its digest."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.settings.threads)
        try:
            return numerics(self._device, self.settings.numerics)
        finally:
            torch.set_num_threads(threads)

    def _started(self) -> Backend:
        if self._backend is None:
            backend = self._make(self.settings)
            self._backend = backend.__enter__()
        return self._backend

    def _graph(self) -> Graph:
        graph = Graph(self._started())
        self._graphs.add(graph)
        return graph

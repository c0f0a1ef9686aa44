"""Results of tasks that may not have ended: reports, evaluations, and the states of a round."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutlayer.sim.learning.chain import Progress
from cutlayer.sim.learning.evaluation import combined
from cutlayer.sim.learning.graph.task_graph import Graph, Node, Value
from cutlayer.sim.learning.pending import ChainReport, Evaluation
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.states import States
from cutlayer.sim.learning.values import decode
from cutlayer.sim.learning.weights_digest import weights_digest
from cutlayer.sim.tasks.objective import Measured, Objective


class ReportsOf:
    """The reports of chains, each at a position in its node's report; `progress` counts them."""

    def __init__(
        self, graph: Graph, chains: Sequence[tuple[Node, int]], progress: Progress | None
    ) -> None:
        self._graph = graph
        self._chains = chains
        self._progress = progress
        self._ended = 0
        for node, _ in chains:
            if node.done:
                self._count()
            else:
                node.listeners.append(self._count)

    def _count(self) -> None:
        self._ended += 1
        if self._progress is not None:
            self._progress(self._ended, len(self._chains))

    @property
    def done(self) -> bool:
        """Whether all chains have ended."""
        return all(node.done for node, _ in self._chains)

    def result(self) -> Sequence[ChainReport]:
        """Wait for all chains and return their reports. Raises the error of a chain."""
        found: list[Any] = [(self._graph.finish(node), position) for node, position in self._chains]
        return [reports[position] for reports, position in found]


class EvaluationOf:
    """The evaluation of models, each by tasks for slices of the test set."""

    def __init__(
        self,
        graph: Graph,
        task: Objective,
        models: Sequence[Sequence[Node]],
        weights: Sequence[int],
    ) -> None:
        self._graph = graph
        self._task = task
        self._models = models
        self._weights = weights

    @property
    def done(self) -> bool:
        """Whether all slices have been evaluated."""
        return all(node.done for nodes in self._models for node in nodes)

    def result(self) -> Evaluation:
        """Wait for all slices and return the evaluation. Raises the error of a task."""
        counts: list[list[Measured]] = []
        finite = True
        for nodes in self._models:
            counts.append([])
            for node in nodes:
                report: Any = self._graph.finish(node)
                counts[-1] += report[0]
                finite = finite and report[1]
        return combined(self._task, counts, self._weights, finite)


class GraphMark:
    """The states at the close of a round, some of which may not exist yet."""

    def __init__(self, graph: Graph, states: States, groups: Sequence[Value | None]) -> None:
        self._graph = graph
        self._groups = groups
        self._nodes = list(graph.unfinished)
        self._failed = graph.error
        self._versions = dict(states.versions())
        self._values: dict[tuple[StateKey, int], Value] = states.kept_values()

    @property
    def done(self) -> bool:
        """Whether everything that was issued before it has run."""
        return all(node.done for node in self._nodes)

    def result(self) -> None:
        """Wait until it is done. Raises the error of a task."""
        if self._failed is not None:
            raise self._failed
        for node in self._nodes:
            self._graph.finish(node)

    def values(self) -> Mapping[tuple[StateKey, int], Any]:
        """Return the states by name and version: the current ones, and those that open chains read."""
        return _Decoded(self._graph, self._values)

    def tokens(self) -> Mapping[tuple[StateKey, int], object]:
        """Return the values as the graph knows them."""
        return self._values

    def versions(self) -> Mapping[StateKey, int]:
        """Return the current version of each state."""
        return self._versions

    def weights_digest(self) -> str:
        """Return a fingerprint of all trained weights, which does not depend on the cut."""
        values = self.values()
        modules = {key: version for key, version in self._versions.items() if key.is_module}
        return weights_digest({key: values[key, modules[key]] for key in modules}, modules)

    def groups(self) -> Sequence[Any]:
        """Return the groups with open chains as values, None if nothing has run."""
        return [None if one is None else decode(self._graph.read(one)) for one in self._groups]

    def release(self) -> None:
        """Free what only this mark keeps."""
        self._nodes, self._values, self._groups = [], {}, ()


class _Decoded(Mapping[tuple[StateKey, int], Any]):
    """The values of states, decoded when they are read."""

    def __init__(self, graph: Graph, values: Mapping[tuple[StateKey, int], Value]) -> None:
        self._graph = graph
        self._values = values

    def __getitem__(self, which: tuple[StateKey, int]) -> Any:
        return decode(self._graph.read(self._values[which]))

    def __iter__(self) -> Iterator[tuple[StateKey, int]]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

"""A graph of tasks: each runs on a backend once its inputs exist.

A value is freed when no state, no mark and no unfinished task refers to it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from weakref import ref

from cutlayer.errors import UserError
from cutlayer.sim.process.tasks import Backend, Handle, Result, Task, Ticket

# Priorities: of the tasks that can run, those with the highest one run first.
FOLD: Final = 3  # frees its members
ALONE: Final = 2  # a chain that is alone in its fold: everything after it waits for it
EVALUATION: Final = 1
CHAIN: Final = 0


class Value:
    """The bytes of a state, a member or a sum, which may not exist yet; compared by identity."""

    __slots__ = ("__weakref__", "_graph", "handle", "maker")

    def __init__(
        self, graph: "Graph", handle: Handle | None = None, maker: "Node | None" = None
    ) -> None:
        self._graph = graph
        self.handle = handle
        self.maker = maker  # until it has ended

    def __del__(self) -> None:
        if self.handle is not None:
            self._graph.free(self.handle)


class Node:
    """A task of the graph; `report` or `error` is set when it has ended (`done`)."""

    def __init__(self, task: Task, inputs: Sequence[Value], priority: int) -> None:
        self.task: Task | None = task  # until it is submitted
        self.priority = priority
        self.done = False
        self.report: object = None
        self.error: Exception | None = None
        self.inputs = list(inputs)
        self.waits_for = {value.maker for value in inputs if value.maker is not None}
        self.waiting: list[Node] = []  # the nodes that wait for this one
        self.listeners: list[Callable[[], None]] = []  # called when it has ended without an error
        self.outputs: list[ref[Value]] = []
        self.ticket: Ticket | None = None


class Graph:
    """The tasks of one run. `error` is that of the first task that failed."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.error: Exception | None = None
        self.unfinished: dict[Node, None] = {}
        self.submitted = 0  # tasks that the backend has, and that have not ended
        self._frees = True

    def put(self, content: bytes) -> Value:
        """Return a value that this process provides."""
        return Value(self, self.backend.put(content))

    def add(
        self, task: Task, inputs: Sequence[Value], outputs: int, priority: int = 0
    ) -> tuple[Node, list[Value]]:
        """Add a task; return its node and its outputs. It fails if one of its inputs does."""
        node = Node(task, inputs, priority)
        values = [Value(self, maker=node) for _ in range(outputs)]
        node.outputs = [ref(value) for value in values]
        self.unfinished[node] = None
        failed = next((maker for maker in node.waits_for if maker.done), None)
        if failed is not None:
            self._end(node, Result(error=failed.error))
        elif node.waits_for:
            for maker in node.waits_for:
                maker.waiting.append(node)
        else:
            self._submit(node)
        return node, values

    def finish(self, node: Node) -> object:
        """Wait for a node and return its report. Raises the error of its task."""
        while not node.done:
            assert node in self.unfinished, "the node was cancelled"
            self.backend.wait()
        if node.error is not None:
            raise node.error
        return node.report

    def read(self, value: Value) -> memoryview:
        """Wait for a value and return its bytes. Raises the error of its task."""
        if value.maker is not None:
            self.finish(value.maker)
        assert value.handle is not None
        return self.backend.read(value.handle)

    def free(self, handle: Handle) -> None:
        """Free a value that nothing needs."""
        if self._frees:
            self.backend.free(handle)

    def cancel(self) -> None:
        """Cancel all tasks that have not ended."""
        nodes, self.unfinished, self.submitted = self.unfinished, {}, 0
        for node in nodes:
            if node.ticket is not None:
                self.backend.cancel(node.ticket)
            node.inputs, node.waiting, node.listeners = [], [], []

    def leave(self) -> None:
        """Stop freeing values: the backend ends, and frees all of them."""
        self._frees = False

    def _submit(self, node: Node) -> None:
        task, node.task = node.task, None
        handles = [value.handle for value in node.inputs]
        assert task is not None
        assert None not in handles
        try:
            node.ticket = self.backend.submit(
                task, handles, lambda result: self._end(node, result), node.priority
            )
            self.submitted += 1
        except UserError as error:
            self._end(node, Result(error=error))

    def _end(self, node: Node, result: Result) -> None:
        """Store the result of a node, and submit or fail the nodes that wait for it."""
        ended = deque([(node, result)])
        while ended:
            node, result = ended.popleft()
            if node not in self.unfinished:  # it has failed before
                continue
            del self.unfinished[node]
            node.done, node.report, node.error = True, result.report, result.error
            if result.error is not None:
                self.error = self.error or result.error
            self._fulfil(node, result.outputs)
            self.submitted -= node.ticket is not None
            node.inputs, node.ticket = [], None
            waiting, node.waiting = node.waiting, []
            for later in waiting:
                if result.error is not None:
                    ended.append((later, Result(error=result.error)))
                    continue
                later.waits_for.discard(node)
                if not later.waits_for and later in self.unfinished:
                    self._submit(later)
            listeners, node.listeners = node.listeners, []
            for listener in listeners if result.error is None else ():
                listener()

    def _fulfil(self, node: Node, handles: Sequence[Handle]) -> None:
        """Give the outputs of a node their handles; free those that nothing needs."""
        if node.error is not None:  # the values keep their maker, which has the error
            return
        for output, handle in zip(node.outputs, handles, strict=True):
            value = output()
            if value is None:
                self.free(handle)
            else:
                value.handle, value.maker = handle, None
        node.outputs = []

"""The graph of tasks: when they are submitted, when values are freed, and what an error does."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from shuffled import Shuffled

from cutlayer.sim.learning.graph.task_graph import Graph, Node, Value
from cutlayer.sim.process.tasks import Note, Outcome


@dataclass(frozen=True)
class Join:
    """Joins its inputs, twice; fails if there are none."""

    name: str

    def perform(self, inputs: Sequence[memoryview], note: Note) -> Outcome:
        del note
        if not inputs:
            raise ZeroDivisionError(self.name)
        joined = b"".join(inputs)
        return Outcome(self.name, (joined, joined))


@pytest.fixture(params=range(4))
def backend(request: pytest.FixtureRequest) -> Shuffled:
    return Shuffled(request.param)


def join(graph: Graph, name: str, *inputs: Value) -> tuple[Node, Value]:
    """Add a task of which only the first output is kept."""
    node, (value, _) = graph.add(Join(name), inputs, 2)
    return node, value


def test_tasks_run_once_their_inputs_exist_and_values_are_freed(backend: Shuffled) -> None:
    graph = Graph(backend)
    a, b = graph.put(b"a"), graph.put(b"b")
    _, first = join(graph, "first", a, b)
    _, second = join(graph, "second", b, a)
    node, both = join(graph, "both", first, second, a)
    del first, second, a, b
    assert bytes(graph.read(both)) == b"abbaa"
    assert node.report == "both"
    assert graph.finish(node) == "both"
    assert backend.live == 1
    assert not graph.unfinished
    del both
    assert backend.live == 0


def test_an_error_is_that_of_all_tasks_that_need_the_value(backend: Shuffled) -> None:
    graph = Graph(backend)
    a = graph.put(b"a")
    node, broken = join(graph, "broken")
    later, value = join(graph, "later", broken, a)
    last, _ = join(graph, "last", value)
    other, kept = join(graph, "other", a)
    for failed in (last, later, node):
        with pytest.raises(ZeroDivisionError, match="broken"):
            graph.finish(failed)
    with pytest.raises(ZeroDivisionError, match="broken"):
        graph.read(value)
    too_late, _ = join(graph, "too late", value)
    assert too_late.done
    assert too_late.error is graph.error is node.error
    assert graph.finish(other) == "other"
    del a
    assert backend.live == 1
    assert bytes(graph.read(kept)) == b"a"


def test_what_is_cancelled_never_runs(backend: Shuffled) -> None:
    graph = Graph(backend)
    a = graph.put(b"a")
    _, first = join(graph, "first", a)
    node, second = join(graph, "second", first, a)
    graph.cancel()
    del a, first, second
    backend.wait()
    assert not node.done
    assert backend.live == 0


def test_values_of_a_backend_that_ends_are_left_to_it(backend: Shuffled) -> None:
    graph = Graph(backend)
    value = graph.put(b"a")
    graph.leave()
    del value
    assert backend.live == 1

"""Errors of tasks reach the caller, with the worker's traceback; rounds before them count."""

from pathlib import Path

import pytest
from shuffled import Shuffled
from tiny_runs import digits, tiny

from cutlayer.errors import UserError
from cutlayer.models.own_object import looking_in
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.process.tasks import TaskError
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.play import empty_result, play


def failed(method: str) -> tuple[Exception, MethodResult]:
    """Train with a method of `graph_methods`; return its error and its result."""
    backend = Shuffled(1)
    with looking_in([str(Path(__file__).parent)]):
        overrides = f"methods=[graph_methods:{method}]", "training.rounds=3"
        plan = plan_checked(tiny(*overrides), trains=True)[0]
        entry = plan.scenario.methods[0]
        result = empty_result(plan, entry)
        with GraphRuntime(ExecutorSettings(), lambda _: backend) as runtime:
            try:
                play(plan, entry, digits(0), result=result, runtime=runtime)
            except Exception as error:
                return error, result
    raise AssertionError("it has not failed")


@pytest.mark.parametrize(
    ("method", "message", "function"),
    [
        ("Fails", "the temperature is out of range", "in fails"),
        ("Defective", "by design", "in is_defective"),
    ],
)
def test_an_error_has_the_traceback_of_its_worker(method: str, message: str, function: str) -> None:
    error, result = failed(method)
    assert str(error) == message
    assert isinstance(error, UserError) == (method == "Fails")
    (note,) = error.__notes__
    assert note.startswith(f"graph_methods:{method}, round 1, client 1, in its worker:")
    assert function in note
    assert len(result.rounds) == 1
    assert result.weights_digest is not None


def test_an_operation_that_cannot_be_sent_is_an_error_of_the_user() -> None:
    error, result = failed("Unsendable")
    assert isinstance(error, UserError)
    assert isinstance(error, TaskError)
    assert str(error).startswith("graph_methods:Unsendable, round 1, client 1: cannot be sent to a")
    assert len(result.rounds) == 1

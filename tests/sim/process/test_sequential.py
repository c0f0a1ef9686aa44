"""The backend that tests use: order, retries and errors as worker processes have them."""

import pickle
from dataclasses import dataclass

import pytest
from sequential_backend import Sequential

from cutlayer.errors import UserError
from cutlayer.sim.process.tasks import (
    ATTEMPTS,
    Note,
    Outcome,
    Result,
    TaskError,
    WorkerDiedError,
    sent_error,
)


@dataclass(frozen=True)
class Echo:
    """Returns its name as report, and its inputs joined, followed by its name, as output."""

    name: str

    def perform(self, inputs: list[memoryview], note: Note) -> Outcome:
        if self.name == "fails":
            raise UserError("cannot be done")
        return Outcome(self.name, (b"".join(inputs) + self.name.encode(),))


class Local:
    name = "round 3, client 7"

    def __init__(self) -> None:
        self.operation = lambda: None


def test_tasks_run_by_priority_then_in_order() -> None:
    ended: list[Result] = []
    with Sequential() as backend:
        for name, priority in [("a", 0), ("b", 0), ("c", 1)]:
            backend.submit(Echo(name), [], ended.append, priority)
        for count in range(4):  # the last one has nothing to wait for
            assert len(ended) == count
            backend.wait()
    assert [result.report for result in ended] == ["c", "a", "b"]


def test_values_go_in_and_out_and_are_freed() -> None:
    ended: list[Result] = []
    with Sequential() as backend:
        given = backend.put(bytearray(b"in "))
        backend.submit(Echo("out"), [given, given], ended.append)
        backend.wait()
        (output,) = ended[0].outputs
        assert bytes(backend.read(output)) == b"in in out"
        assert backend.read(output).readonly
        backend.free(given)
        with pytest.raises(KeyError):
            backend.read(given)


def test_a_cancelled_task_never_runs() -> None:
    ended: list[Result] = []
    with Sequential() as backend:
        first = backend.submit(Echo("a"), [], ended.append)
        backend.submit(Echo("b"), [], ended.append)
        backend.cancel(first)
        backend.wait()
        backend.cancel(first)
        backend.wait()
    assert [result.report for result in ended] == ["b"]


def test_the_order_can_be_chosen() -> None:
    ended: list[Result] = []
    with Sequential(choose=lambda names: names.index(max(names))) as backend:
        for name in "bca":
            backend.submit(Echo(name), [], ended.append)
        for _ in range(3):
            backend.wait()
    assert [result.report for result in ended] == ["c", "b", "a"]


@pytest.mark.parametrize("deaths", [ATTEMPTS - 1, ATTEMPTS])
def test_a_task_is_tried_again(deaths: int) -> None:
    ended: list[Result] = []
    with Sequential(dies=lambda name, before: name == "a" and before < deaths) as backend:
        for name in "ab":
            backend.submit(Echo(name), [], ended.append)
        for _ in range(2):
            backend.wait()
    assert [result.report for result in ended] == ["a" if deaths < ATTEMPTS else None, "b"]
    if deaths == ATTEMPTS:
        assert isinstance(ended[0].error, WorkerDiedError)
        assert str(ended[0].error) == "a: 3 workers died running it, the last by choice"


def test_an_error_is_a_result() -> None:
    ended: list[Result] = []
    with Sequential() as backend:
        backend.submit(Echo("fails"), [], ended.append)
        backend.wait()
    error = ended[0].error
    assert isinstance(error, UserError)
    assert str(error) == "cannot be done"
    assert "fails, in its worker:\nTraceback" in error.__notes__[0]


def test_a_task_that_cannot_be_pickled_is_refused() -> None:
    with Sequential() as backend, pytest.raises(TaskError) as refused:
        backend.submit(Local(), [], lambda _: None)  # type: ignore[arg-type]
    first, _, rest = str(refused.value).partition(" (")
    assert first == "round 3, client 7: cannot be sent to a worker process"
    assert rest.endswith(
        "): define a method's operations, and the classes of their data, at the top level of a module,"
        " or use --executor inline"
    )


def test_any_process_can_read_an_error() -> None:
    class OwnError(ValueError):
        pass

    class TwoArgumentsError(UserError):
        def __init__(self, what: str, why: str) -> None:
            super().__init__(f"{what}: {why}")

    class OwnUserError(UserError):
        pass

    TwoArgumentsError.__module__ = "cutlayer.errors"
    for error, kind, text in (
        (OwnError("hot"), RuntimeError, "OwnError: hot"),
        (OwnUserError("it is hot"), UserError, "it is hot"),
        (TwoArgumentsError("it", "hot"), UserError, "it: hot"),
    ):
        sent = pickle.loads(pickle.dumps(sent_error("a", error)))
        assert type(sent) is kind
        assert str(sent) == text
        assert "a, in its worker:" in sent.__notes__[0]

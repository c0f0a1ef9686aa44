"""Tasks on a real Dask scheduler with two real workers."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_tasks import Dies, Fails, Join, Threads, Waits, numerics
from dask_cluster import Dask

from cutlayer.errors import UserError
from cutlayer.sim.process import dask_backend, dask_connection
from cutlayer.sim.process.dask_backend import MAX_DEPTH, DaskBackend
from cutlayer.sim.process.dask_connection import ClusterError, Likeness, connect
from cutlayer.sim.process.tasks import Handle, Result, TaskError, WorkerDiedError

pytest.importorskip("distributed", reason="needs Dask")
pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"), modules=[HERE])
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def shared(dask: Dask) -> Iterator[DaskBackend]:
    with DaskBackend(dask.address, measure=numerics) as backend:
        yield backend


@pytest.fixture
def backend(dask: Dask, shared: DaskBackend) -> DaskBackend:
    dask.wait_for(2)
    return shared


class Results(list[Result]):
    """Collects the results of tasks."""

    def of(self, backend: DaskBackend, count: int) -> "Results":
        while len(self) < count:
            backend.wait()
        return self


def one(backend: DaskBackend, task: object, *inputs: Handle) -> Result:
    results = Results()
    backend.submit(task, inputs, results.append)  # type: ignore[arg-type]
    (result,) = results.of(backend, 1)
    return result


def test_outputs_are_inputs_of_further_tasks(backend: DaskBackend) -> None:
    given = backend.put(b"a")
    first = one(backend, Join("b"), given)
    assert bytes(backend.read(first.outputs[0])) == b"ab0"
    two = one(backend, Join("c", outputs=2), *first.outputs, given)
    assert [bytes(backend.read(output)) for output in two.outputs] == [b"ab0ac0", b"ab0ac1"]
    last = one(backend, Join("d"), two.outputs[1])
    assert bytes(backend.read(last.outputs[0])) == b"ab0ac1d0"
    assert one(backend, Join("e", outputs=0)).outputs == ()
    for handle in (given, *first.outputs, *two.outputs, *last.outputs):
        backend.free(handle)


def test_both_workers_work_and_none_is_this_process(backend: DaskBackend) -> None:
    results = Results()
    for number in range(20):
        backend.submit(Join(str(number)), [], results.append)
    reports = {result.report for result in results.of(backend, 20)}
    assert len(reports) == backend.jobs == 2
    assert os.getpid() not in reports
    assert one(backend, Threads()).report == 1


def test_a_report_too_large_for_an_event_arrives_too(backend: DaskBackend) -> None:
    result = one(backend, Join("z", outputs=2, large=True))
    assert len(result.report[1]) == 1_000_000
    assert bytes(backend.read(result.outputs[1])) == b"z1"


def test_an_error_of_a_task_is_reported_with_its_trace(backend: DaskBackend) -> None:
    error = one(backend, Fails()).error
    assert isinstance(error, UserError)
    assert str(error) == "cannot be done"
    assert "cluster_tasks.py" in error.__notes__[0]


def test_a_task_that_cannot_be_pickled_is_refused(backend: DaskBackend) -> None:
    class Local:
        name = "round 1, client 2"

    with pytest.raises(TaskError, match=r"round 1, client 2: cannot be sent"):
        backend.submit(Local(), [], print)  # type: ignore[arg-type]


def test_a_cancelled_task_never_ends(backend: DaskBackend, tmp_path: Path) -> None:
    results = Results()
    running = [backend.submit(Waits(str(tmp_path)), [], results.append) for _ in range(2)]
    queued = backend.submit(Dies(str(tmp_path)), [], results.append)
    while len(list(tmp_path.iterdir())) < 2:
        os.sched_yield()
    backend.cancel(queued)
    backend.cancel(running[0])
    (tmp_path / "go").touch()
    assert [result.report for result in results.of(backend, 1)] == [None]
    backend.wait()  # nothing is submitted
    backend.cancel(running[1])
    assert len(results) == 1


def test_a_killed_worker_costs_a_retry_and_its_values_come_back(
    backend: DaskBackend, tmp_path: Path
) -> None:
    given = backend.put(b"g" * 100)
    results = Results()
    for number in range(10):  # on both workers
        backend.submit(Join(str(number), outputs=1 + number % 2), [given], results.append)
    values = [value for result in results.of(backend, 10) for value in result.outputs]
    before = [bytes(backend.read(value)) for value in values]
    backend.free(given)  # the tasks that used it have ended; their outputs can still be made again
    (tmp_path / "1").touch()
    died = one(backend, Dies(str(tmp_path)), values[0])
    assert died.report == "survived"
    assert bytes(backend.read(died.outputs[0])) == before[0]
    for process in {result.report for result in results}:  # the first one is dead
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert [bytes(backend.read(value)) for value in values] == before


def test_a_task_that_kills_its_workers_is_one_error(backend: DaskBackend, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).touch()
    error = one(backend, Dies(str(tmp_path))).error
    assert isinstance(error, WorkerDiedError)
    assert str(error) == (
        "round 3, client 7: every worker that tried it died; see the workers' logs for the cause"
    )


def test_the_history_of_a_value_is_limited(backend: DaskBackend) -> None:
    """The scheduler forgets tasks further back, and a death does not repeat them."""
    (value,) = one(backend, Join("0")).outputs
    tasks = []
    for number in range(3 * MAX_DEPTH):
        (new,) = one(backend, Join(str(number % 10)), value).outputs
        backend.free(value)
        value = new
        known = backend._client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        tasks.append(known)
    assert max(tasks[-MAX_DEPTH:]) <= max(tasks[:MAX_DEPTH]) + 1
    text = bytes(backend.read(value)).decode()
    assert text == "00" + "".join(f"{n % 10}0" for n in range(3 * MAX_DEPTH))


def test_workers_must_be_alike(
    backend: DaskBackend, dask: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_connection, "code_digest", lambda: "another")
    with pytest.raises(ClusterError, match=r"worker tcp://\S+ has another version of Cutlayer"):
        connect(dask.address, Likeness(1, None))
    monkeypatch.undo()
    monkeypatch.setenv("TEST_NUMERICS", "others")
    with pytest.raises(
        ClusterError,
        match=r"worker tcp://\S+ would compute other bits \(kernels ours instead of others\); use",
    ):
        connect(dask.address, Likeness(1, numerics))


def test_a_worker_that_joins_must_be_alike(
    backend: DaskBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_NUMERICS", "others")
    monkeypatch.setattr(backend, "_likeness", Likeness(1, numerics))
    error = one(backend, Join("a")).error
    assert isinstance(error, ClusterError)
    assert str(error).startswith("a worker that has joined would compute other bits (kernels")


def test_a_missing_scheduler_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_connection, "TIMEOUT_S", 1)
    monkeypatch.setattr(dask_connection, "SILENT_S", 0)
    notes: list[str] = []
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9: cannot be reached"):
        DaskBackend("tcp://127.0.0.1:9", note=notes.append).__enter__()
    assert notes == ["waiting for the scheduler tcp://127.0.0.1:9, up to 1 s"]


@pytest.mark.parametrize("address", ["127.0.0.1", "host:8786", "http://host:8787", "tcp://host"])
def test_an_address_of_another_form_is_refused_at_once(address: str) -> None:
    with pytest.raises(ClusterError, match=r"must be an address such as tcp://host:8786") as error:
        connect(address, Likeness(1, None))
    assert str(error.value).endswith(f"(got {address!r})")


def test_workers_and_the_scheduler_may_go_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_backend, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(dask_backend, "NO_WORKERS_S", 0.5)
    cluster = Dask(tmp_path, workers=0, modules=[HERE])
    notes: list[str] = []
    try:
        with pytest.raises(ClusterError, match="has no workers; start some first"):
            DaskBackend(cluster.address).__enter__()
        cluster.start_worker("--no-nanny")
        cluster.wait_for(1)
        with DaskBackend(cluster.address, note=notes.append) as backend:
            backend.submit(Waits(str(tmp_path)), [], print)
            cluster.processes[1].kill()
            with pytest.raises(
                ClusterError, match="all workers are gone; resume the run to continue"
            ):
                backend.wait()
            assert notes == [f"--scheduler {cluster.address}: has no workers; waiting for some"]
            cluster.processes[0].kill()
            with pytest.raises(ClusterError, match="the connection was lost; resume the run"):
                backend.wait()
    finally:
        cluster.stop()

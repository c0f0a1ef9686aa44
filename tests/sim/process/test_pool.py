"""Worker processes: results, order, cancelling, deaths, full folders, errors and users' modules."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from some_tasks import (
    LIMIT_S,
    Asks,
    Dies,
    DiesWhileWriting,
    Fails,
    Gate,
    HalfWritten,
    Holds,
    Join,
    Writes,
    leave,
    wait_for,
)

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own, looking_in
from cutlayer.sim.process import exchange
from cutlayer.sim.process import pool as pool_module
from cutlayer.sim.process.pool import ASSIGNED, Pool
from cutlayer.sim.process.starter import Starter
from cutlayer.sim.process.tasks import Backend, Result, Task, TaskError, Ticket, WorkerDiedError

NOTES: list[str] = []


@pytest.fixture(scope="module")
def shared() -> Iterator[Pool]:
    """Two workers, which later tests use as earlier ones have left them."""
    with Pool(2, None, note=NOTES.append) as opened:
        yield opened


@pytest.fixture
def pool(shared: Pool) -> Iterator[Pool]:
    """The pool, which each test leaves without tasks and values."""
    NOTES.clear()
    yield shared
    assert values_of(shared) == []


def values_of(pool: Pool) -> list[str]:
    return [path.name for path in files_of(pool) if path.name != exchange.LOCK]


def files_of(pool: Pool) -> list[Path]:
    return [file for folder in pool._exchange.folders for file in Path(folder).iterdir()]


def done(pool: Backend, *tasks: Task) -> list[Result]:
    """Run tasks and return their results in the order of the tasks."""
    found: dict[int, Result] = {}
    for number, task in enumerate(tasks):
        pool.submit(task, [], lambda result, number=number: found.update({number: result}))
    wait_until(pool, lambda: len(found) == len(tasks))
    return [found[number] for number in range(len(tasks))]


def wait_until(pool: Backend, condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        pool.wait()


def settle(pool: Pool) -> None:
    """Wait until cancelled tasks have ended, too."""
    limit = time.monotonic() + LIMIT_S
    while any(worker.assigned for worker in pool._workers):
        assert time.monotonic() < limit
        done(pool, Holds("another", os.getpid))


def test_values_go_through_two_workers_and_back(pool: Pool) -> None:
    found: list[Result] = []
    given = [pool.put(b"ab"), pool.put(bytearray()), pool.put(memoryview(b"c"))]
    for name in "xyz":
        pool.submit(Join(name), given, found.append)
    wait_until(pool, lambda: len(found) == 3)
    assert sorted(result.report[0] for result in found) == ["x", "y", "z"]
    assert {result.report[1] for result in found}.isdisjoint({os.getpid()})
    for result in found:
        joined, empty = result.outputs
        view = pool.read(joined)
        pool.free(joined)
        assert bytes(view) == b"abc"  # it stays valid
        assert bytes(pool.read(empty)) == b""
        pool.free(empty)
    assert set(NOTES) == {"joining x", "joining y", "joining z"}
    for handle in given:
        pool.free(handle)
    for use in (pool.free, pool.read, lambda freed: pool.submit(Join("a"), [freed], found.append)):
        with pytest.raises(KeyError):
            use(given[0])


def test_nothing_to_wait_for(pool: Pool) -> None:
    pool.wait()
    assert done(pool) == []


def test_a_result_may_submit_the_next_task(pool: Pool) -> None:
    found: list[str] = []

    def next_one(result: Result) -> None:
        found.append(result.report[0])
        for output in result.outputs:
            pool.free(output)
        if len(found) < 5:
            pool.submit(Join(f"{len(found)}"), [], next_one)

    pool.submit(Join("0"), [], next_one)
    wait_until(pool, lambda: len(found) == 5)
    assert found == ["0", "1", "2", "3", "4"]


def test_tasks_begin_by_priority_then_in_order(tmp_path: Path) -> None:
    found: list[Result] = []
    with Pool(1, None) as single:
        for number in range(ASSIGNED):
            gate = Gate(f"gate {number}", tmp_path / str(number), tmp_path / "opened")
            single.submit(gate, [], found.append)
        for name, priority in [("late", 0), ("later", 0), ("soon", 1), ("first", 2)]:
            single.submit(Join(name), [], found.append, priority)
        (tmp_path / "opened").touch()
        wait_until(single, lambda: len(found) == ASSIGNED + 4)
    assert [one.report[0] for one in found[ASSIGNED:]] == ["first", "soon", "late", "later"]


def test_cancelled_tasks_do_not_run_and_running_ones_are_dropped(
    pool: Pool, tmp_path: Path
) -> None:
    gates: list[Result] = []
    dropped: list[Result] = []
    running = pool.submit(
        Gate("running", tmp_path / "running", tmp_path / "opened", 3), [], dropped.append
    )
    wait_for(tmp_path / "running")
    opened = tmp_path / "opened"
    other = pool.submit(Gate("other", tmp_path / "other", opened), [], gates.append)
    wait_for(tmp_path / "other")
    never = [
        pool.submit(Gate(str(n), tmp_path / str(n), opened), [], dropped.append) for n in range(6)
    ]  # some are assigned to workers, some are not
    for ticket in [running, *never]:
        pool.cancel(ticket)
    opened.touch()
    wait_until(pool, lambda: len(gates) == 1)
    pool.cancel(other)  # has ended
    settle(pool)
    assert dropped == []
    assert not any((tmp_path / str(n)).exists() for n in range(6))


def test_a_result_may_cancel_others(pool: Pool) -> None:
    found: list[Result] = []
    tickets: list[Ticket] = []

    def first(result: Result) -> None:
        found.append(result)
        for ticket in tickets:
            pool.cancel(ticket)
        for output in result.outputs:
            pool.free(output)

    tickets += [pool.submit(Join(str(number)), [], first) for number in range(4)]
    limit = time.monotonic() + LIMIT_S
    while len(values_of(pool)) < 4:  # several have ended before `done` is called for the first
        assert time.monotonic() < limit
    wait_until(pool, lambda: bool(found))
    settle(pool)
    assert len(found) == 1


def test_an_error_has_the_traceback_of_its_worker(pool: Pool) -> None:
    users, ours = done(pool, Fails("round 1", user=True), Fails("round 2", user=False))
    assert type(users.error) is UserError
    assert str(users.error) == "cannot be done"
    assert type(ours.error) is KeyError
    (note,) = ours.error.__notes__
    assert note.startswith("round 2, in its worker:\nTraceback")
    assert "in perform" in note


@pytest.mark.parametrize("content", [lambda: None, threading.Lock()], ids=["local", "lock"])
def test_a_task_that_cannot_be_pickled_is_refused(pool: Pool, content: object) -> None:
    with pytest.raises(TaskError, match=r"^round 3, client 7: cannot be sent to a worker process"):
        pool.submit(Holds("round 3, client 7", content), [], lambda _: None)
    pool.wait()


def test_a_report_that_cannot_be_pickled_is_an_error(pool: Pool) -> None:
    (result,) = done(pool, Holds("generates", _generator))
    assert isinstance(result.error, TypeError)


def _generator() -> Iterator[int]:
    yield 1


def test_the_workers_are_like_the_main_process(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = done(pool, Asks())
    environments = [dict(os.environ), result.report["environment"]]
    for environment in environments:
        del environment["PYTEST_CURRENT_TEST"]
    assert environments[0] == environments[1]
    assert result.report["path"] == sys.path
    assert result.report["folder"] == str(Path.cwd())
    assert result.report["SIGINT ignored"]
    assert result.report["SIGINT blocked"]
    monkeypatch.syspath_prepend(tmp_path)  # also when a worker is at work already
    (tmp_path / "beside_a_script.py").write_text("def two():\n    return 2\n", encoding="utf-8")
    import beside_a_script

    (result,) = done(pool, Holds("imports", beside_a_script.two))
    assert result.report == 2


def test_users_modules_are_found(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "sibling.py").write_text("VALUE = 3\n", encoding="utf-8")
    own = "class Own:\n    def __call__(self):\n        import sibling\n        return sibling.VALUE\n"
    (tmp_path / "own_to_pool.py").write_text(own, encoding="utf-8")
    with looking_in([str(tmp_path)]):
        own_object = import_own("own_to_pool:Own")()
        (result,) = done(pool, Holds("own", own_object))
        (looked_up,) = done(pool, Holds("looked up", _Look()))
    assert result.report == 3
    assert looked_up.report == 3


class _Look:
    """Imports a user's object by its name."""

    def __call__(self) -> object:
        return import_own("own_to_pool:Own")()()


@pytest.mark.parametrize("times", [1, 3])
def test_a_task_of_a_worker_that_dies_is_tried_again(
    pool: Pool, tmp_path: Path, times: int
) -> None:
    found: list[Result] = []
    given = pool.put(b"kept")
    pool.submit(Dies("round 3", tmp_path, times), [given], found.append)
    for number in range(5):
        pool.submit(Holds(str(number), os.getpid), [], found.append)
    wait_until(pool, lambda: len(found) == 6)
    (result,) = [one for one in found if not isinstance(one.report, int)]
    assert len(list(tmp_path.iterdir())) == times
    cause = "by the signal SIGKILL (the system may be out of memory)"
    assert [f"a worker died ({cause}); trying again: round 3"] * min(times, 2) == NOTES
    if times == 3:
        assert isinstance(result.error, WorkerDiedError)
        assert str(result.error) == f"round 3: 3 workers died running it, the last {cause}"
    else:
        (output,) = result.outputs
        assert bytes(pool.read(output)) == b"kept"
        pool.free(output)
    pool.free(given)


def test_an_idle_worker_may_die(pool: Pool) -> None:
    for result in done(pool, Holds("1", os.getpid), Holds("2", os.getpid)):
        killed = result.report
    os.kill(killed, signal.SIGKILL)
    results = done(pool, *[Holds(str(number), os.getpid) for number in range(6)])
    assert killed not in {result.report for result in results}
    assert NOTES == []


def test_what_a_dead_worker_had_written_is_removed(pool: Pool, tmp_path: Path) -> None:
    (result,) = done(pool, DiesWhileWriting("round 3", tmp_path / "died"))
    assert (tmp_path / "died").exists()
    assert [bytes(pool.read(output)) for output in result.outputs] == [b"first", b"second"]
    assert len(values_of(pool)) == 2
    for output in result.outputs:
        pool.free(output)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_task_that_fails_between_two_outputs_leaves_none_and_disturbs_no_other() -> None:
    with Pool(1, None) as pool:
        failed, joined = done(pool, HalfWritten("half"), Join("whole"))
        assert isinstance(failed.error, TypeError)
        assert joined.error is None
        assert {str(value.path) for value in pool._exchange.files("worker")} == {
            pool._value(handle).path for handle in joined.outputs
        }


def test_a_full_folder_leads_to_the_next_and_then_to_an_error(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "SHARED_MEMORY", small_disk)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    size = 700_000
    with Pool(1, None) as pool:
        first, second = done(pool, Writes("a", size), Writes("b", size))
        paths = [Path(pool._value(result.outputs[0]).path) for result in (first, second)]
        assert [path.parents[1] for path in paths] == [small_disk, tmp_path]
        given = pool.put(bytes(size))
        assert Path(pool._value(given).path).parents[1] == tmp_path
        assert all(len(pool.read(handle)) == size for handle in (*first.outputs, *second.outputs))
    assert not any(small_disk.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with Pool(1, None) as pool:
        first, second = done(pool, Writes("a", size), Writes("b", size))
        assert first.error is None
        assert isinstance(second.error, exchange.ExchangeError)
        (folder,) = pool._exchange.folders
        text = (
            f"no room for the values that worker processes exchange, in {folder} (No space left on"
            " device): free some, let TMPDIR name a folder with room, or do without workers"
            " (--executor inline, or --jobs 1 in a study)"
        )
        assert str(second.error) == text
        with pytest.raises(exchange.ExchangeError, match=r"^no room"):
            pool.put(bytes(size))
        pool.free(first.outputs[0])
        (third,) = done(pool, Writes("c", size))  # nothing half-written is in its way
        assert third.error is None


def test_the_fork_server_may_die(pool: Pool) -> None:
    (result,) = done(pool, Holds("parent", os.getppid))
    if result.report == os.getpid():
        pytest.skip("the system has no fork server")
    os.kill(result.report, signal.SIGKILL)
    for number in range(2):
        killed = done(pool, Holds(f"{number}", os.getpid))[0].report
        os.kill(killed, signal.SIGKILL)
    (after,) = done(pool, Holds("parent", os.getppid))
    assert after.report not in {result.report, os.getpid()}


def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(1, None) as pool:
        monkeypatch.setattr(pool_module, "serve", leave)
        with pytest.raises(WorkerDiedError) as died:
            done(pool, Join("x"))
    assert str(died.value) == (
        "3 workers died before they had begun anything, the last with the exit code 7; do it without"
        " workers (--executor inline, or --jobs 1 in a study)"
    )


def test_spawned_workers_do_the_same(tmp_path: Path) -> None:
    found: list[Result] = []
    with Pool(1, 2, start_method="spawn") as pool:
        given = pool.put(b"ab")
        pool.submit(Join("x"), [given], found.append)
        pool.submit(Dies("y", tmp_path, 1), [given], found.append)
        pool.submit(Asks(), [], found.append)
        wait_until(pool, lambda: len(found) == 3)
        assert found[0].report[0] == "x"
        assert bytes(pool.read(found[0].outputs[0])) == b"ab"
        assert bytes(pool.read(found[1].outputs[0])) == b"ab"
        assert found[2].report["SIGINT blocked"]
        assert found[2].report["threads"] == 2
        folders = pool._exchange.folders
    assert not any(Path(folder).exists() for folder in folders)


def test_a_killed_fork_server_may_take_a_moment_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("the system has no fork server")
    refusals = [ConnectionRefusedError(), ConnectionRefusedError()]
    start = multiprocessing.get_context("forkserver").Process.start

    def refusing_at_first(process: BaseProcess) -> None:
        if refusals:
            raise refusals.pop()
        start(process)

    starter = Starter(())
    monkeypatch.setattr(
        multiprocessing.get_context("forkserver").Process, "start", refusing_at_first
    )
    process, pipe = starter.start(leave, "argument")
    process.join()
    pipe.close()
    assert process.exitcode == 7

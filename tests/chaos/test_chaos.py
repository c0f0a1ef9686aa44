"""Runs that are killed, interrupted or out of disk at random moments end as if nothing had happened."""

import errno
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos import Chaos, Commands
from dask_cluster import Dask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc"),
]
OPTIONS = {
    "none": ["--executor", "none", "--no-reuse"],
    "inline": ["--executor", "inline"],
    "stacked": ["--executor", "stacked"],
    "processes": ["--executor", "processes", "--jobs", "2"],
    "dask": ["--executor", "dask"],
}
FEW = {
    "none": ["kill", "interrupt", "full"],
    "inline": ["interrupt", "kill"],
    "stacked": ["kill"],
    "processes": ["kill", "worker"],
    "dask": ["kill", "worker"],
}
KILLS = 25
OTHERS = ["interrupt"] * 4 + ["full"] * 4


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    commands = Commands(tmp_path_factory.mktemp("commands"))
    yield commands
    commands.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


def chaos_of(executor: str, seed: int, folder: Path, request: pytest.FixtureRequest) -> Chaos:
    commands = request.getfixturevalue("commands")
    options, processes = OPTIONS[executor], []
    if executor == "dask":
        cluster = request.getfixturevalue("cluster")
        options = [*options, "--scheduler", cluster.address]
        processes = [process.pid for process in cluster.processes[1:]]
    return Chaos(commands, folder, options, seed, processes)


@pytest.mark.parametrize("executor", OPTIONS)
def test_a_disturbed_run_ends_like_an_undisturbed_one(
    executor: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chaos = chaos_of(executor, 16, tmp_path, request)
    actions = list(FEW[executor])
    while actions:
        chaos.disturbed_run(f"out-{chaos.runs}", actions)
    assert chaos.count == Counter(FEW[executor])


@pytest.mark.chaos
@pytest.mark.parametrize("executor", OPTIONS)
def test_many_disturbed_runs_end_like_an_undisturbed_one(
    executor: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("CUTLAYER_CHAOS_SEED", "1"))
    chaos = chaos_of(executor, seed, tmp_path, request)
    kinds = ["kill", "worker"] if executor in ("processes", "dask") else ["kill"]
    actions = chaos.random.choices(kinds, k=KILLS)
    actions += OTHERS
    chaos.random.shuffle(actions)
    while actions:
        chaos.disturbed_run(f"out-{chaos.runs}", actions)
    told = ", ".join(f"{count} {action}" for action, count in sorted(chaos.count.items()))
    with capsys.disabled():
        print(f"\n{executor}, seed {seed}: {told}; {chaos.runs} runs ended, nothing was lost")


def test_a_run_whose_scheduler_is_killed_continues_with_another(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chaos = chaos_of("dask", 3, tmp_path, request)
    other = Dask(tmp_path, workers=0)
    try:
        other.start_worker("--no-nanny")
        other.wait_for(1)
        start = [*chaos.start("out")[:-1], other.address]
        plan = {"scheduler": other.processes[0].pid, "at": chaos.whole.events // 2}
        ended = chaos.command("out", *start, action="scheduler", **plan)
    finally:
        other.stop()
    why = "the connection was lost; resume the run to continue"
    assert (ended.code, ended.err) == (2, f"--scheduler {other.address}: {why}\n")
    resumed = chaos.command("out", "resume", "out", "--scheduler", chaos.options[-1])
    assert resumed.code == 0, resumed
    chaos.same("out")


def test_a_folder_belongs_to_one_command_at_a_time(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chaos = chaos_of("none", 0, tmp_path, request)
    begun = chaos.begin("out", *chaos.start("out"), action="pause", at=chaos.whole.events // 2)
    *_, log = begun.files
    while not log.exists():
        time.sleep(0.01)
    for command in (chaos.start("out"), ["resume", "out"]):
        refused = chaos.command("out", *command)
        assert refused.code == 2
        assert refused.err.count("\n") == 1
        assert "out is in use by another command" in refused.err
    os.kill(begun.process, signal.SIGKILL)
    assert chaos.commands.end(begun).code == -signal.SIGKILL
    refused = chaos.command("out", "resume", "out", "--scheduler", "tcp://127.0.0.1:9")
    assert (refused.code, refused.err) == (
        2,
        "--scheduler: the command that began out does not use a cluster\n",
    )
    assert chaos.command("out", *chaos.going_on("out")).code == 0
    chaos.same("out")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A file system of `size` bytes at a folder."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_run_on_a_disk_that_is_too_small_continues_on_a_larger_one(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chaos = chaos_of("inline", 5, tmp_path, request)
    disk, out = tmp_path / "disk", "disk/out"
    needed = sum(map(len, chaos.whole.files.values()))
    with small_disk(disk, size := chaos.random.randint(needed // 4, needed // 2)):
        ended = chaos.command(out, *chaos.start(out))
        assert ended.code == 2, ended
        assert "Traceback" not in ended.err
        assert os.strerror(errno.ENOSPC) in ended.err.splitlines()[-1], ended
        chaos.check_folder(out)
        subprocess.run(["mount", "-o", "remount,size=100M", str(disk)], check=True)
        ended = chaos.command(out, *chaos.going_on(out))
        assert ended.code == 0, (size, ended)
        chaos.same(out)

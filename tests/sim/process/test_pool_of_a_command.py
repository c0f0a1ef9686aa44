"""Pools of commands that are started in different ways, interrupted and killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from some_tasks import LIMIT_S, wait_for

from cutlayer.sim.process import exchange
from cutlayer.sim.process.exchange import Exchange

HERE = str(Path(__file__).parent)

# A command whose two workers wait for a file; then it prints what they returned.
PROGRAM = """\
import sys
from pathlib import Path

sys.path.append({here!r})
from some_tasks import Gate

from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.process.pool import Pool

with Pool(2, None, start_method={method!r}) as pool:
    print(*pool._exchange.folders, flush=True)
    pool.put(b"left behind")
    found = []
    for name in "ab":
        pool.submit(Gate(name, Path(name), Path("opened"), 1), [], found.append)
    try:
        while len(found) < 2:
            pool.wait()
    except KeyboardInterrupt:
        Path("interrupted").touch()
        while len(found) < 2:
            pool.wait()
    print(sorted(result.report for result in found))
"""


class Command:
    """A command in a session of its own, with its files in one folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        environment = os.environ | {"TMPDIR": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def begin(self) -> list[Path]:
        """Wait until both tasks have begun; return the exchange folders."""
        assert self.process.stdout is not None
        folders = [Path(folder) for folder in self.process.stdout.readline().split()]
        for name in "ab":
            wait_for(self.folder / name)
        return folders

    def end(self) -> tuple[int, str, str]:
        """Let the tasks end; return the exit code, the output and the errors."""
        (self.folder / "opened").touch()
        out, err = self.process.communicate()
        return self.process.returncode, out, err

    def wait_for_workers(self) -> None:
        """Wait until no process of the session is left, except zombies."""
        limit = time.monotonic() + LIMIT_S
        while alive(self.process.pid):
            assert time.monotonic() < limit, "a worker has outlived its command"
            time.sleep(0.01)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def program(method: str | None = None) -> str:
    return PROGRAM.format(here=HERE, method=method)


@pytest.mark.parametrize("how", ["-c", "-P", "script", "-m"])
def test_every_way_to_start_a_command(tmp_path: Path, how: str) -> None:
    """None of them imports the script again: it has no `if __name__ == "__main__"`."""
    (tmp_path / "own_command.py").write_text(program(), encoding="utf-8")
    arguments = {
        "-c": ["-c", program()],
        "-P": ["-P", "-c", program()],
        "script": ["own_command.py"],
        "-m": ["-m", "own_command"],
    }[how]
    command = Command(tmp_path, *arguments)
    folders = command.begin()
    assert command.end() == (0, "['a', 'b']\n", "")
    assert not any(folder.exists() for folder in folders)


def test_what_a_script_defines_itself_is_refused(tmp_path: Path) -> None:
    script = """\
from cutlayer.sim.process.pool import Pool

class Own:
    name = "round 1"

with Pool(1, None) as pool:
    pool.submit(Own(), [], print)
"""
    code, _, err = Command(tmp_path, "-c", script).end()
    assert code == 1
    assert "round 1: cannot be sent to a worker process (Own is defined in the script" in err


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_ctrl_c_reaches_the_main_process_only(tmp_path: Path, method: str) -> None:
    command = Command(tmp_path, "-c", program(method))
    command.begin()
    os.killpg(command.process.pid, signal.SIGINT)
    wait_for(tmp_path / "interrupted")
    assert command.end() == (0, "['a', 'b']\n", "")


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_workers_end_with_a_killed_command_and_remove_its_values(
    tmp_path: Path, method: str
) -> None:
    command = Command(tmp_path, "-c", program(method))
    folders = command.begin()
    assert all(folder.exists() for folder in folders)
    command.process.kill()
    command.process.communicate()
    command.wait_for_workers()
    assert not any(folder.exists() for folder in folders)


def test_the_next_command_removes_what_a_killed_one_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Command(tmp_path, "-c", program())
    folders = command.begin()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Exchange():  # while the command works
        assert all(folder.exists() for folder in folders)
    os.killpg(command.process.pid, signal.SIGKILL)  # with its workers
    command.process.communicate()
    command.wait_for_workers()
    own = [folder for folder in folders if folder.is_relative_to(tmp_path)]
    assert len(own) == 1  # a command of another test may remove the one in shared memory
    assert any(own[0].glob("*"))
    half_made = tmp_path / f"{exchange.PREFIX}half-made"
    half_made.mkdir()
    with Exchange():
        assert not any(folder.exists() for folder in (*folders, half_made))

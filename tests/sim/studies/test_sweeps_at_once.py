"""Sweeps that start at the same time in real processes lose no result and damage no file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_studies import small_study, study_file
from test_going_on import contents

from cutlayer.sim.studies.sweep import sweep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="starts processes by fork"),
]
ROOT = Path(__file__).parents[3]
STARTS = 5
# Forks two commands from a process that has imported everything: they start within milliseconds.
PAIRS = """\
import json, os, sys, time
import torch
torch.set_num_threads(1)
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0).step()  # imports a compiler
import cutlayer.sim.commands.sweep, cutlayer.sim.report.report, cutlayer.sim.views, cutlayer.sim.cli
import cutlayer.sim.learning.inline
from cutlayer.sim.cli import main

cutlayer.sim.commands.sweep.write_report = lambda *_: None  # takes longer than all the rest
cutlayer.sim.learning.inline.numerics()

def started(commands, start):
    at = time.monotonic() + 0.05
    children = []
    for number, command in enumerate(commands):
        child = os.fork()
        if not child:
            sys.argv = ["cutlayer", *(word.replace("START", str(start)) for word in command)]
            output = os.open(f"{start}-{number}.txt", os.O_CREAT | os.O_WRONLY, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = open(1, "w", closefd=False)
            sys.stderr = open(2, "w", closefd=False)
            while time.monotonic() < at:
                pass
            code = 1
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

for line in sys.stdin:
    folder, starts, commands = json.loads(line)
    os.chdir(folder)
    print(json.dumps([started(commands, start) for start in range(starts)]), flush=True)
"""


Pairs = Callable[..., list[list[int]]]


@pytest.fixture(scope="module")
def program() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PAIRS],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.communicate()


@pytest.fixture
def start_pairs(tmp_path: Path, program: subprocess.Popen[str]) -> Pairs:
    """Start commands together, repeatedly; return their exit codes."""

    def run(starts: int, *commands: list[str]) -> list[list[int]]:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps([str(tmp_path), starts, commands]) + "\n")
        program.stdin.flush()
        codes: list[list[int]] = json.loads(program.stdout.readline())
        return codes

    return run


def said(folder: Path, start: int) -> list[str]:
    return [(folder / f"{start}-{n}.txt").read_text("utf-8") for n in (0, 1)]


def test_one_of_two_sweeps_gets_the_folder_and_the_other_is_refused(
    tmp_path: Path, start_pairs: Pairs
) -> None:
    file = study_file(tmp_path)
    command = ["sweep", str(file), "--executor", "none", "--jobs", "1", "--out", "out-START"]
    codes = start_pairs(STARTS, command, command)
    sweep(small_study(tmp_path), executor="none", out=tmp_path / "alone")
    for start in range(STARTS):
        texts = dict(zip(codes[start], said(tmp_path, start), strict=True))
        assert set(codes[start]) <= {0, 2}, texts
        assert 0 in codes[start]
        if 2 in codes[start]:  # else the first had ended before the second looked
            assert f"--out out-{start} is in use by another command; name a new folder" in texts[2]
            assert len([line for line in texts[2].splitlines() if "points" not in line]) == 1
        assert contents(tmp_path / f"out-{start}") == contents(tmp_path / "alone")
    assert any(2 in pair for pair in codes)


def test_without_a_name_the_second_sweep_takes_the_next(tmp_path: Path, start_pairs: Pairs) -> None:
    file = study_file(tmp_path)
    command = ["sweep", str(file), "--executor", "none", "--jobs", "1"]
    assert start_pairs(3, command, command) == [[0, 0]] * 3
    sweep(small_study(tmp_path), executor="none", out=tmp_path / "alone")
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names in ({"small"}, {"small", "small-2"})
    for name in names:
        assert contents(tmp_path / "runs" / name) == contents(tmp_path / "alone")
    texts = [text for start in range(3) for text in said(tmp_path, start)]
    folders = {line for text in texts for line in text.splitlines() if "results:" in line}
    assert folders == {f"results: runs/{name}" for name in names}  # one, if no two ever overlapped


def test_two_sweeps_share_a_cache(tmp_path: Path, start_pairs: Pairs) -> None:
    file = study_file(tmp_path)
    command = ["sweep", str(file), "--executor", "inline", "--jobs", "1", "--cache", "cache-START"]
    command.append("--out")
    both = [[*command, "one-START"], [*command, "two-START"]]
    assert start_pairs(2, *both) == [[0, 0]] * 2
    sweep(small_study(tmp_path), out=tmp_path / "alone", cache=tmp_path / "cache")
    for start in range(2):
        for name in ("one", "two"):
            assert contents(tmp_path / f"{name}-{start}") == contents(tmp_path / "alone")
        assert contents(tmp_path / f"cache-{start}") == contents(tmp_path / "cache")

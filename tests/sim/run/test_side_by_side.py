"""Commands that start almost at the same time lose no result and damage no file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY, files, rows, summary

from cutlayer.sim.report.report import is_own_page
from cutlayer.sim.results.read import read_run

SMALL = ["--executor", "none", "--set", "training.rounds=2", "--set", "methods=[splitfed]"]
RUN = ["run", "tiny.yaml", *SMALL]


SideBySide = Callable[..., list[list[list[Any]]]]


@pytest.fixture(scope="module")
def program() -> Iterator[subprocess.Popen[str]]:
    """A program that has imported everything."""
    paths = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("side_by_side.py"))],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.communicate()


@pytest.fixture
def side_by_side(tmp_path: Path, program: subprocess.Popen[str]) -> SideBySide:
    """Run commands together, each time in a new folder; return their exit codes, outputs and errors."""

    def run(times: int, *commands: list[str]) -> list[list[list[Any]]]:
        (tmp_path / "start").mkdir(exist_ok=True)
        (tmp_path / "start/tiny.yaml").write_text(TINY, encoding="utf-8")
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps([str(tmp_path), times, commands]) + "\n")
        program.stdin.flush()
        found: list[list[list[Any]]] = json.loads(program.stdout.readline())
        assert len(found) == times
        return found

    return run


def assert_whole(folder: Path, clients: str) -> None:
    """Check that a run's folder has all its files and the results of its own scenario."""
    content = summary(folder)
    assert content["status"] == "complete"
    assert content["scenario"]["training"]["clients_per_round"] == int(clients)
    table = rows(folder / "rounds.csv")
    assert [(row["round"], row["clients"]) for row in table] == [("0", clients), ("1", clients)]
    assert set(read_run(folder).events["round"]) == {0, 1}
    assert not [name for name in files(folder) if name.endswith(".part")]


@pytest.mark.parametrize(("count", "times"), [(2, 4), (4, 2)])
def test_runs_have_a_folder_each(
    tmp_path: Path, side_by_side: SideBySide, count: int, times: int
) -> None:
    clients = [str(1 + number % 3) for number in range(count)]
    commands = [[*RUN, "--set", f"training.clients_per_round={n}"] for n in clients]
    names = sorted(["runs/tiny", *(f"runs/tiny-{n}" for n in range(2, count + 1))])
    for again, said in enumerate(side_by_side(times, *commands)):
        taken = []
        for (code, out, err), n in zip(said, clients, strict=True):
            assert (code, err) == (0, "")
            (line,) = (line for line in out.splitlines() if line.startswith("results: "))
            taken.append(line.removeprefix("results: "))
            assert_whole(tmp_path / str(again) / taken[-1], n)
        assert sorted(taken) == names


def test_one_run_gets_a_named_folder_and_the_others_one_line(
    tmp_path: Path, side_by_side: SideBySide
) -> None:
    commands = [[*RUN, "--out", "out", "--set", f"training.clients_per_round={n}"] for n in (1, 3)]
    for again, said in enumerate(side_by_side(4, *commands)):
        codes = [code for code, _, _ in said]
        assert sorted(codes) == [0, 2]
        (_, out, err) = said[codes.index(2)]
        assert out == ""
        assert err.startswith("--out out ")
        assert err.count("\n") == 1
        assert_whole(tmp_path / str(again) / "out", "13"[codes.index(0)])


def test_a_run_while_its_folder_is_reported(tmp_path: Path, side_by_side: SideBySide) -> None:
    report = ["report", "out"]
    for again, said in enumerate(side_by_side(3, [*RUN, "--out", "out"], report, report)):
        folder = tmp_path / str(again) / "out"
        assert said[0][0] == 0, said
        assert_whole(folder, "2")
        for code, _, err in said[1:]:
            assert code in (0, None, 2), err
            assert code != 2 or (err.startswith("out ") and err.count("\n") == 1), err
        if any(code != 2 for code, _, _ in said[1:]):
            assert is_own_page(folder / "report.html")


def test_reports_of_one_folder_do_not_collide(tmp_path: Path, side_by_side: SideBySide) -> None:
    (first,) = side_by_side(1, [*RUN, "--out", "out"])
    assert first[0][0] == 0
    (tmp_path / "0/out").rename(tmp_path / "start/out")
    (tmp_path / "0").rename(tmp_path / "before")
    for again, said in enumerate(side_by_side(1, *[["report", "out"]] * 3)):
        assert [code for code, _, _ in said] == [0] * 3, said
        folder = tmp_path / str(again) / "out"
        assert is_own_page(folder / "report.html")
        assert not [name for name in files(folder) if name.endswith(".part")]

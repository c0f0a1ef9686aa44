"""Progress of `cutlayer.run`: one line in a notebook, bars on a terminal, otherwise nothing."""

import builtins
import signal
import sys
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import CommandLine
from rich.console import Console

from cutlayer import RoundResult, load_scenario, run
from cutlayer.sim.interactive import progress
from cutlayer.sim.interactive.progress import LineProgress, in_notebook
from cutlayer.sim.run.progress import MethodRun


class Terminal(StringIO):
    """An output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the kernel of a notebook."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)


def shown(monkeypatch: pytest.MonkeyPatch, output: StringIO, **options: Any) -> str:
    """What a run of two methods writes to an output."""
    monkeypatch.setattr(sys, "stdout", output)
    (result,) = run(load_scenario("tiny.yaml"), executor="none", **options)
    assert result.status == "complete"
    return output.getvalue()


def test_a_notebook_shows_one_line_that_is_updated(
    cli: CommandLine, notebook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(monkeypatch, StringIO())
    assert text.count("\n") == 1
    assert text.endswith("\n")
    lines = [line.strip() for line in text.split("\r")[1:]]
    assert lines[0] == "0 of 2 methods done; splitfed: round 0 of 3"
    assert lines[1].startswith("0 of 2 methods done; splitfed: round 1 of 3, virtual time ")
    assert lines[-1].startswith("2 of 2 methods done; frozen: round 3 of 3, virtual time ")
    assert len(lines) == len(set(lines)) == 10


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    output = StringIO()
    line = LineProgress(output)
    method = MethodRun(0, "splitfed", 3, 2)
    line.planned([method])
    closed: Any = SimpleNamespace(index=0, virtual_time_s=3.0, test_loss=None)
    line.round_closed(method, closed)
    line.note("a worker died")
    *_, first, second, rest = output.getvalue().split("\r")
    assert second == "a worker died".ljust(len(first)) + "\n"
    assert rest == first


def test_a_terminal_shows_bars_and_a_file_nothing(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "splitfed" in shown(monkeypatch, Terminal())
    assert shown(monkeypatch, StringIO()) == ""


class ZMQInteractiveShell:
    """By the name of this class, rich recognises a notebook."""


def test_a_check_in_a_notebook_is_one_text(
    cli: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rich would print each of its lines as HTML."""
    expected = cli("check", "tiny.yaml").out
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    assert Console().is_jupyter
    load_scenario("tiny.yaml").check()
    assert capsys.readouterr().out == expected


def test_progress_false_is_silent_everywhere(
    cli: CommandLine, notebook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(monkeypatch, Terminal(), progress=False) == ""


def test_ipython_on_a_terminal_is_not_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell in (None, SimpleNamespace()):
        module = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_an_interrupt_in_a_notebook_keeps_the_closed_rounds(
    cli: CommandLine, notebook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LineProgress.round_closed

    def interrupting(self: LineProgress, method: MethodRun, closed: RoundResult) -> None:
        if closed.index == 0:
            signal.raise_signal(signal.SIGINT)
        real(self, method, closed)

    monkeypatch.setattr(LineProgress, "round_closed", interrupting)
    output = StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    (result,) = run(load_scenario("tiny.yaml"), executor="none")
    assert result.status == "stopped"
    assert 1 <= len(result.frame("rounds")) < 6
    assert "interrupted: finishing the rounds in progress" in output.getvalue()
    last = "interrupted: these are the results of the rounds that had closed"
    assert output.getvalue().rsplit("\r", 1)[1].strip() == last

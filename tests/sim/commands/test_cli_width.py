"""What commands print fits into the terminal: no line is too long, no word is broken."""

import re
from pathlib import Path

import pytest
from command_line import CommandLine

STUDY = """\
name: small
scenario: tiny.yaml
set:
  topology.star.clients.*.link: {up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms}
axes:
  - {name: uplink, field: topology.star.clients.*.link.up, values: [1 Mbit/s, 90 Mbit/s]}
crossovers: {axis: uplink}
sensitivity: {by: time}
"""
COMMANDS = {
    "run": ("run", "tiny.yaml", "--executor", "none", "--out", "out-WIDTH"),
    "run with draws": (
        *("run", "tiny.yaml", "--executor", "none", "--draws", "20", "--out", "drawn-WIDTH"),
    ),
    "explain a run": ("explain", "done"),
    "explain a method": ("explain", "done", "--method", "frozen"),
    "explain a round": ("explain", "done", "--round", "0"),
    "explain a scenario": ("explain", "tiny.yaml"),
    "check": ("check", "tiny.yaml"),
    "compare": ("compare", "done", "other"),
    "list": ("list",),
    "show a method": ("show", "ecofed"),
    "show a model": ("show", "resnet9"),
    "show a data set": ("show", "digits"),
    "show a device": ("show", "raspberry-pi-4b"),
    "show a link": ("show", "4g"),
    "reproduce": ("reproduce", "ares"),
    "validate": ("validate", "measured.csv", "tiny.yaml", "--draws", "4"),
    "fit": ("fit", "timed.csv", "--device", "raspberry-pi-4b", "--out", "profile-WIDTH.yaml"),
}
# A path is not wrapped, so that it can be copied; a device's name can be longer than half a line.
WHOLE = re.compile(r"(results|plot|report|first|second|saved): ")
TIMED = """\
model,batch_size,seconds
vgg5,100,2.5
lenet,100,0.2
mobilenetv2,16,4.0
"""


@pytest.fixture
def done(cli: CommandLine) -> CommandLine:
    """Two runs to look at, and measured times."""
    measured = (
        "method,seconds,count,spread,what\nsplitfed,1.5,3,0.1,\nfrozen,2,,,\nfrozen,1,,,upload\n"
    )
    Path("measured.csv").write_text(measured, encoding="utf-8")
    for out, rounds in (("done", 3), ("other", 2)):
        answer = cli(
            *("run", "tiny.yaml", "--executor", "none", "--no-plots", "--out", out),
            *("--set", f"training.rounds={rounds}"),
        )
        assert answer.code == 0, answer.err
    Path("timed.csv").write_text(TIMED, encoding="utf-8")
    return cli


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_fits(
    command: str, done: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        answer = done(*(part.replace("WIDTH", str(width)) for part in COMMANDS[command]))
        assert answer.code in (0, None), answer.err
        return answer.out

    words = set(ask(1000).replace("out-1000", "").replace("drawn-1000", "").split())
    for width in (60, 80, 120):
        text = ask(width)
        lines = [line.rstrip() for line in text.splitlines() if not WHOLE.match(line)]
        assert max(map(len, lines)) <= width, max(lines, key=len)
        assert "…" not in text
        found = {word for line in lines for word in line.split() if set(word) != {"─"}}
        assert found <= words, sorted(found - words)


def test_a_study_fits(done: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("study.yaml").write_text(STUDY, encoding="utf-8")
    done("sweep", "study.yaml", "--executor", "none", "--jobs", "1", "--out", "study")
    monkeypatch.setenv("COLUMNS", "80")
    answer = done("sweep", "study.yaml", "--executor", "none", "--jobs", "1", "--out", "study")
    assert answer.code in (0, None), answer.err
    lines = [line.rstrip() for line in answer.out.splitlines() if not WHOLE.match(line)]
    assert "sensitivity" in answer.out
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert "…" not in answer.out

"""The command line in the tests' own process: arguments in, exit code and output back."""

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cutlayer.sim.cli import main

TINY = """\
name: tiny
seed: 0
data: {dataset: digits, partition: iid, test_fraction: 0.2, train_samples: 60, test_samples: 20}
model: {name: lenet, cut: 1}
training:
  rounds: 3
  clients_per_round: 2
  batch_size: 10
  optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
  targets: [0.01, 1.0]
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 3, link: 4g}
methods:
  - splitfed
  - ecofed: {init: random}
    label: frozen
"""


RUN_FOLDER = [
    "accuracy.csv",
    "checksums.sha256",
    "cutlayer.json",
    "devices.csv",
    "events.npz",
    "links.csv",
    "plots",
    "rounds.csv",
    "scenario.yaml",
    "summary.json",
    "trace.json",
    "utilisation.csv",
    "versions.json",
]
TRAINED_FOLDER = sorted([*RUN_FOLDER, "classes.csv", "clients.csv"])


@dataclass(frozen=True)
class Answer:
    code: object
    out: str
    err: str


class CommandLine:
    """Calls `cutlayer` in a folder with only `tiny.yaml`.

    Plots are not drawn and `run` trains in this process unless told otherwise, which takes less time.
    """

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", list(sys.path))  # main() puts the current folder there
        monkeypatch.delenv("CUTLAYER_DATA_DIR", raising=False)
        monkeypatch.setenv("COLUMNS", "500")
        monkeypatch.setattr("cutlayer.sim.commands.run.write_plots", lambda *_: [])
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")

    def __call__(self, *arguments: object) -> Answer:
        if arguments[:1] == ("run",) and "--executor" not in arguments:
            arguments = (*arguments, "--executor", "inline")
        self._monkeypatch.setattr(sys, "argv", ["cutlayer", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        return Answer(ended.value.code, said.out, said.err)

    def run(self, *overrides: str, executor: str = "none") -> Answer:
        """`cutlayer run tiny.yaml` with overrides."""
        sets = [part for override in overrides for part in ("--set", override)]
        return self("run", "tiny.yaml", *sets, "--executor", executor)


def files(folder: Path) -> list[str]:
    """Everything in a folder, as relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_refused(answer: Answer, *words: str) -> None:
    """One line of message, which says all of `words`."""
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert answer.out == ""
    lines = answer.err.splitlines()
    assert len(lines) == 1, lines
    for word in words:
        assert word in lines[0], lines[0]


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return content


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))

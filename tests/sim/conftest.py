"""The command line as a fixture."""

from pathlib import Path

import pytest
from command_line import CommandLine


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """`cutlayer` in a folder with only `tiny.yaml`."""
    return CommandLine(tmp_path, monkeypatch, capsys)

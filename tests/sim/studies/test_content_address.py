"""Addresses: which changes of the code cause cells and trainings to be computed again."""

import shutil
from pathlib import Path

import pytest

from cutlayer.sim.files.code_digest import PACKAGE, code_digest
from cutlayer.sim.studies.content_address import (
    CELL_CODE,
    DRAWS_CODE,
    LEARNING_CODE,
)


def package_copy(folder: Path) -> Path:
    """Copy the code of the package, without its data, into `folder`."""
    ignored = shutil.ignore_patterns("*.pyc", "__pycache__", "*.safetensors", "*.csv")
    for package in PACKAGE:
        shutil.copytree(package, folder, ignore=ignored, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_copy(tmp_path_factory.mktemp("code") / "cutlayer")


def digests(package: Path) -> tuple[str, str]:
    """Return the digests of the code of a cell and of a training, bypassing the cache."""
    digest = code_digest.__wrapped__
    return digest(CELL_CODE, (package,)), digest(LEARNING_CODE, (package,))


@pytest.mark.parametrize(
    ("room", "cells", "trainings"),
    [
        ("sim/commands", False, False),
        ("sim/views", False, False),
        ("sim/report", False, False),
        ("sim/loggers", False, False),
        ("sim/files", False, False),
        ("sim/process", False, False),
        ("sim/papers", False, False),
        ("sim/calibrate", False, False),
        ("sim/results/read.py", False, False),
        ("sim/studies/folder.py", False, False),
        ("sim/network", True, False),
        ("sim/transport", True, False),
        ("sim/compute", True, False),
        ("sim/endpoints", True, False),
        ("sim/log", True, False),
        ("sim/run/play.py", True, False),
        ("sim/build/links.py", True, False),
        ("sim/results/round.py", True, False),
        ("topologies", True, False),
        ("scenarios", True, False),
        ("models", True, True),
        ("sim/data", True, True),
        ("sim/learning", True, True),
        ("sim/methods", True, True),
        ("sim/build/initial.py", True, True),
        ("sim/run/engine.py", True, True),
        ("streams.py", True, True),
    ],
)
def test_a_comment_in_a_room_changes_the_addresses_of_what_it_decides(
    package: Path, room: str, cells: bool, trainings: bool
) -> None:
    changed = package / room
    file = changed if changed.is_file() else min(changed.rglob("*.py"))
    before, text = digests(package), file.read_text(encoding="utf-8")
    file.write_text(f"{text}# a comment\n", encoding="utf-8")
    cell, training = digests(package)
    file.write_text(text, encoding="utf-8")
    assert (cell != before[0], training != before[1]) == (cells, trainings)
    assert digests(package) == before


def test_a_shipped_scenario_changes_no_address(package: Path) -> None:
    """Its content is in the address of each cell that it describes."""
    before = digests(package)
    added = package / "scenarios" / "shipped" / "another.yaml"
    added.write_text("name: another\n", encoding="utf-8")
    assert digests(package) == before
    added.unlink()


def test_every_room_of_the_package_has_been_considered() -> None:
    """A new room must be added to one of the lists or here; otherwise its changes go unnoticed."""
    decided_nothing = {
        *(
            "calibrate",
            "commands",
            "files",
            "interactive",
            "loggers",
            "papers",
            "process",
            "report",
            "results",
        ),
        *("studies", "validate", "views", "cli.py", "__init__.py"),
    }
    (sim,) = [folder / "sim" for folder in PACKAGE if (folder / "sim").is_dir()][:1]
    rooms = {entry.name for entry in sim.iterdir() if entry.name != "__pycache__"}
    assert {f"sim/{room}" for room in rooms - decided_nothing} <= {*CELL_CODE, *DRAWS_CODE}

"""The wheel, built once for all workers of pytest-xdist, and two environments."""

import os
import time
from pathlib import Path

import pytest
from environments import WAIT_S, Environment, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the wheel and of both environments."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    ready = folder / "ready"
    try:
        folder.mkdir()
    except FileExistsError:  # another worker builds
        until = time.monotonic() + WAIT_S
        while not ready.exists():
            assert time.monotonic() < until, "the worker that builds the wheel has not finished"
            time.sleep(0.1)
    else:
        build(folder)
        ready.touch()
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(built: Path) -> Environment:
    """An environment with the wheel and its command."""
    return Environment(built / "installed")


@pytest.fixture(scope="session")
def bare(built: Path) -> Environment:
    """An environment with Cutlayer's dependencies, without Cutlayer."""
    return Environment(built / "bare")

"""The list of errors that are a user's to mend names classes that exist, and imports none of them."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cutlayer.sim.commands.errors import JOB, USERS, is_users


@pytest.mark.parametrize("name", sorted({*USERS, JOB}))
def test_every_name_is_that_of_an_error(name: str) -> None:
    module, _, kind = name.partition(":")
    found = getattr(import_module(module), kind)
    assert issubclass(found, Exception)
    assert f"{found.__module__}:{found.__qualname__}" == name


def test_heirs_of_a_users_error_are_the_users_and_other_errors_are_not() -> None:
    from cutlayer.models.errors import CutError

    assert is_users(CutError("no such cut"))
    assert not is_users(ValueError("ours"))
    assert not is_users(RuntimeError("ours"))


def test_a_mistake_in_a_scenario_is_answered_without_torch(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: x\ntraning: {}\n", encoding="utf-8")
    program = (
        "import sys\nfrom cutlayer.sim.cli import main\nsys.argv = ['cutlayer', 'check', 's.yaml']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout.split() == ["2", "False"], done.stderr
    assert "did you mean 'training'?" in done.stderr

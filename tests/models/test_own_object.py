"""A user's own object is found in its folder, and stands in for nothing else."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutlayer.models import own_object
from cutlayer.models.own_object import OwnObjectError, beside, calling, import_own, looking_in


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what is imported from below it is forgotten afterwards."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(own_object, "_searched", {})
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield work
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_it_is_found_in_the_working_directory_with_what_lies_beside_it(folder: Path) -> None:
    write(folder / "own_helper_q.py", "value = 7\n")
    write(
        folder / "own_module_q.py",
        "import own_helper_q\nclass A:\n    value = own_helper_q.value\n",
    )
    before = list(sys.path)
    assert import_own("own_module_q:A.value") == 7
    assert sys.path == before


def test_the_scenario_s_folder_goes_before_the_working_directory(folder: Path) -> None:
    write(folder / "own_twice_q.py", "here = 'working directory'\n")
    write(folder / "study" / "own_twice_q.py", "here = 'scenario'\n")
    with looking_in(beside(str(folder / "study" / "a.yaml"))):
        assert import_own("own_twice_q:here") == "scenario"
    assert import_own("own_twice_q:here") == "scenario"  # the same module from then on


def test_it_may_import_while_it_is_called(folder: Path) -> None:
    write(folder / "sub" / "own_late_helper_q.py", "value = 3\n")
    write(
        folder / "sub" / "own_late_q.py",
        "def make():\n    import own_late_helper_q\n    return own_late_helper_q.value\n",
    )
    with looking_in(beside(str(folder / "sub" / "a.yaml"))):
        make = import_own("own_late_q:make")
    before = list(sys.path)
    with pytest.raises(ModuleNotFoundError):
        make()
    with calling("own_late_q:make"):
        assert make() == 3
    with calling("vgg5"):
        assert sys.path == before
    assert sys.path == before


@pytest.mark.parametrize("module", ["yaml", "random", "models.mine", "sim"])
def test_it_never_stands_in_for_another_module(module: str, folder: Path) -> None:
    top = module.partition(".")[0]
    write(folder / f"{top}.py", "raise AssertionError('executed')\n")
    write(folder / "models" / "__init__.py", "raise AssertionError('executed')\n")
    with pytest.raises(OwnObjectError, match=r"has the name of another module .* rename yours"):
        import_own(f"{module}:Own")


def test_what_is_installed_is_found_as_it_is(folder: Path) -> None:
    assert import_own("os:path.join") is os.path.join


def test_two_files_of_one_module_name_are_not_mixed_up(folder: Path) -> None:
    for name in ("one", "two"):
        write(folder / name / "own_same_q.py", f"here = {name!r}\n")
    with looking_in(beside(str(folder / "one" / "a.yaml"))):
        assert import_own("own_same_q:here") == "one"
    with (
        looking_in(beside(str(folder / "two" / "a.yaml"))),
        pytest.raises(OwnObjectError, match=r"two.own_same_q.*has imported the one of .*one.own_"),
    ):
        import_own("own_same_q:here")


def test_a_module_that_ends_the_program_does_not_end_it(folder: Path) -> None:
    write(folder / "own_script_q.py", "import sys\nsys.exit(0)\n")
    with pytest.raises(OwnObjectError, match="own_script_q ends the program when it is imported"):
        import_own("own_script_q:main")


@pytest.mark.parametrize("way", ["option", "environment"])
def test_it_can_be_forbidden(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "own_forbidden_q.py", "raise AssertionError('executed')\n")
    if way == "option":
        monkeypatch.setattr(own_object, "_forbidden", True)
    else:
        monkeypatch.setenv("CUTLAYER_NO_USER_CODE", "1")
    with pytest.raises(OwnObjectError, match="--no-user-code"):
        import_own("own_forbidden_q:Own")
    monkeypatch.setattr(own_object, "_forbidden", False)
    monkeypatch.setenv("CUTLAYER_NO_USER_CODE", "0")
    assert import_own("os:sep") == os.sep

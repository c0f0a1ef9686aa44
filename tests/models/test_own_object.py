"""A user's own object is found in its folder, under a name of its own, and replaces no other module."""

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutlayer.models import own_object
from cutlayer.models.own_object import (
    OwnObjectError,
    beside,
    import_own,
    import_own_module,
    is_own,
    looking_in,
    plain_name,
)
from cutlayer.sim.learning.digest import source_identity

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory that is not on the path; what is imported from it is forgotten."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(own_object, "_imported_from", {})
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


def imported(name: str, scenario: Path) -> object:
    with looking_in(beside(str(scenario))):
        return import_own(name)


def test_it_is_found_in_the_working_directory_with_its_siblings(folder: Path) -> None:
    write(folder / "own_helper_q.py", "value = 7\n")
    write(
        folder / "own_module_q.py",
        "import own_helper_q\nclass A:\n    value = own_helper_q.value\n",
    )
    before, modules = list(sys.path), set(sys.modules)
    assert import_own("own_module_q:A.value") == 7
    assert sys.path == before
    assert all(is_own(name) for name in set(sys.modules) - modules)


def test_the_folder_of_the_scenario_goes_before_the_working_directory(folder: Path) -> None:
    write(folder / "own_twice_q.py", "here = 'working directory'\n")
    write(folder / "study" / "own_twice_q.py", "here = 'scenario'\n")
    assert imported("own_twice_q:here", folder / "study" / "a.yaml") == "scenario"
    assert (
        import_own("own_twice_q:here") == "scenario"
    )  # no scenario in effect: the only one so far


@pytest.mark.parametrize("top", ["models", "sim", "scenarios", "topologies"])
def test_names_that_are_folders_of_cutlayer_s_repository_are_free(top: str, folder: Path) -> None:
    package = folder / top
    write(package / "__init__.py", f"from {top}.parts import size\n")
    write(package / "parts.py", "size = 3\n")
    write(
        package / "mynet.py",
        f"import {top}.parts\nimport {top}.parts as parts\nfrom . import size\n"
        f"from .parts import size as same\n"
        f"from {top} import parts as again\nfrom {top}.parts import *\n"
        f"assert {top}.parts is parts is again\nassert size == same\n"
        "def net():\n    from cutlayer.models.plain import lenet\n    return lenet, size\n",
    )
    made, size = import_own(f"{top}.mynet:net")()
    assert (made.__module__, size) == ("cutlayer.models.plain", 3)
    assert plain_name(import_own_module(f"{top}.mynet").__name__) == f"{top}.mynet"


def test_a_plain_folder_is_found_although_the_repository_is_on_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT), str(folder / "far")])
    write(folder / "models" / "mynet.py", "size = 4\n")
    assert import_own("models.mynet:size") == 4
    write(folder / "far" / "own_nets_q" / "mynet.py", "size = 6\n")
    write(folder / "own_nets_q" / "mynet.py", "size = 5\n")
    assert import_own("own_nets_q.mynet:size") == 5


def test_siblings_are_found_whenever_they_are_imported(folder: Path) -> None:
    write(folder / "sub" / "own_late_helper_q.py", "value = 3\n")
    write(
        folder / "sub" / "own_late_q.py",
        "def make():\n    import own_late_helper_q\n    return own_late_helper_q.value\n",
    )
    make = imported("own_late_q:make", folder / "sub" / "a.yaml")
    assert callable(make)
    assert make() == 3


@pytest.mark.parametrize("module", ["yaml", "random", "cutlayer.mine", "yaml.mine"])
def test_it_never_replaces_another_module(module: str, folder: Path) -> None:
    top = module.partition(".")[0]
    write(folder / f"{top}.py", "raise AssertionError('executed')\n")
    with pytest.raises(OwnObjectError, match=r"has the name of another module .* rename yours"):
        import_own(f"{module}:Own")
    assert "Own" not in vars(sys.modules[top])


def test_a_sibling_with_the_name_of_another_module_does_not_replace_it(folder: Path) -> None:
    for name in ("yaml", "random"):
        write(folder / f"{name}.py", "raise AssertionError('executed')\n")
    write(folder / "own_innocent_q.py", "import random, yaml\nfound = yaml, random\n")
    assert import_own("own_innocent_q:found") == (sys.modules["yaml"], sys.modules["random"])


def test_what_is_installed_is_found_as_it_is(folder: Path) -> None:
    assert import_own("os:path.join") is os.path.join
    (folder / "numpy").mkdir()  # a folder of data
    assert import_own("numpy:ndarray") is sys.modules["numpy"].ndarray


def test_two_files_of_one_name_are_two_modules(folder: Path) -> None:
    for name in ("one", "two"):
        write(folder / name / "own_part_q.py", f"part = {name!r}\n")
        write(
            folder / name / "own_same_q.py", "from own_part_q import part\nclass Net: part = part\n"
        )
    one, two = (folder / name / "a.yaml" for name in ("one", "two"))
    assert imported("own_same_q:Net.part", one) == "one"
    assert imported("own_same_q:Net.part", two) == "two"
    assert imported("own_same_q:Net", one) is imported("own_same_q:Net", one)
    with pytest.raises(
        OwnObjectError, match=r"own_same_q was imported from several folders: .*one"
    ):
        import_own("own_same_q:Net")
    with looking_in([*beside(str(two)), *beside(str(one))]):
        assert import_own("own_same_q:Net.part") == "two"


def test_a_module_on_the_path_is_shared_with_the_script_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "own_shared_q.py", "class Net: pass\n")
    write(folder / "far" / "own_shared_q.py", "class Net: pass\n")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    net = import_own("own_shared_q:Net")
    assert net is sys.modules["own_shared_q"].Net
    assert imported("own_shared_q:Net", folder / "far" / "a.yaml") is not net


def test_its_identity_depends_on_its_file_and_not_on_its_folder(folder: Path) -> None:
    for name, value in (("one", 1), ("copy", 1), ("two", 2)):
        write(folder / name / "own_base_q.py", f"class Net: value = {value}\n")
        write(folder / name / "own_user_q.py", "from own_base_q import Net\n")
    found = {}
    for name in ("one", "copy", "two"):
        with looking_in([str(folder / name)]):
            found[name] = source_identity("own_user_q:Net")
    assert found["one"] == found["copy"] != found["two"]
    assert source_identity("vgg5") == ""


def test_another_process_reads_its_pickles(folder: Path) -> None:
    write(folder / "sub" / "own_part_q.py", "unit = 2\n")
    write(
        folder / "sub" / "own_pickled_q.py",
        "from dataclasses import dataclass\nfrom own_part_q import unit\n"
        "@dataclass\nclass Size:\n    value: int\n    def scaled(self): return self.value * unit\n",
    )
    size = imported("own_pickled_q:Size", folder / "sub" / "a.yaml")
    assert callable(size)
    text = pickle.dumps(size(21))
    program = f"import pickle\nprint(pickle.loads({text!r}).scaled())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUTLAYER_NO_USER_CODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "42\n", done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(0)\n", "module own_wrong_q ends the program when it is imported"),
        ("", "own_wrong_q has no attribute 'net'"),
        ("nets = 1\n", r"own_wrong_q has no attribute 'net'; did you mean 'nets'\?"),
    ],
)
def test_what_is_wrong_with_a_module_is_said(text: str, message: str, folder: Path) -> None:
    write(folder / "own_wrong_q.py", text)
    with pytest.raises(OwnObjectError, match=f"^{message}$"):
        import_own("own_wrong_q:net")


def test_messages_have_the_names_that_the_user_knows(folder: Path) -> None:
    write(folder / "own_import_q.py", "from own_empty_q import nothing\n")
    write(folder / "own_empty_q.py", "")
    with pytest.raises(ImportError, match=r"^cannot import name 'nothing' from 'own_empty_q' "):
        import_own("own_import_q:net")
    with pytest.raises(
        ModuleNotFoundError, match=r"^No module named 'own_empty_q.inner'; 'own_empty"
    ):
        import_own("own_empty_q.inner:net")
    absent = re.escape(f"there is no module own_importq in {folder}")
    with pytest.raises(OwnObjectError, match=f"^{absent}"):
        import_own("own_importq:net")
    with pytest.raises(OwnObjectError, match=r"did you mean 'own_import_q'\?$"):
        import_own("own_importq:net")
    with pytest.raises(OwnObjectError, match=r"is a file: name its module, own_empty_q$"):
        import_own("own_empty_q.py:net")


@pytest.mark.parametrize("way", ["option", "environment"])
def test_it_can_be_forbidden(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "own_allowed_q.py", "class Net: pass\n")
    name = import_own_module("own_allowed_q").__name__
    del sys.modules[name]
    if way == "option":
        monkeypatch.setattr(own_object, "_forbidden", True)
    else:
        monkeypatch.setenv("CUTLAYER_NO_USER_CODE", "1")
    with pytest.raises(OwnObjectError, match="--no-user-code"):
        import_own("own_allowed_q:Net")
    with pytest.raises(ModuleNotFoundError, match="--no-user-code"):  # as unpickling would
        __import__(name)
    monkeypatch.setattr(own_object, "_forbidden", False)
    monkeypatch.setenv("CUTLAYER_NO_USER_CODE", "0")
    assert import_own("os:sep") == os.sep

"""Commands in a folder whose files have the names of modules; and users' code that is forbidden."""

import os
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import TINY, CommandLine, assert_refused

from cutlayer import load_scenario, run
from cutlayer.models import UnknownModelError, own_object
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.process.dask_connection import Likeness
from cutlayer.sim.process.python_path import drop_working_directory
from cutlayer.sim.studies.cluster import perform_one
from cutlayer.sim.studies.jobs import Job

ROOT = Path(__file__).resolve().parents[3]
TRAPS = (
    "models.py",
    "models/__init__.py",
    "sim.py",
    "scenarios/__init__.py",
    "scenarios.py",
    "topologies.py",
    "topologies/__init__.py",
    "yaml.py",
    "random.py",
    "rich/__init__.py",
    "torch.py",
)
STUDY = """\
name: two
scenario: tiny.yaml
axes:
  - {name: cut, field: model.cut, values: [1, 2]}
"""


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A folder of scenarios beside files that would say so if anything executed them."""
    for name in TRAPS:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        text = f"open({str(tmp_path / 'EXECUTED')!r}, 'a').write({name!r})\n"
        file.write_text(text, encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


def installed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the installed command in a folder, or what it consists of where it is not installed."""
    script = Path(sysconfig.get_path("scripts"), "cutlayer")
    command = (
        [str(script)]
        if script.exists()
        else [sys.executable, "-P", "-c", "from cutlayer.sim.cli import main; main()"]
    )
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "devices"), "raspberry-pi-4b"),
        (("check", "tiny.yaml"), "splitfed"),
        (("sweep", "study.yaml", "--executor", "none", "--jobs", "2"), "2 points"),
    ],
)
def test_files_with_the_names_of_modules_are_not_executed(
    arguments: tuple[str, ...], words: str, trapped: Path
) -> None:
    answer = installed(trapped, *arguments)
    assert answer.returncode == 0, answer.stderr
    assert words in answer.stdout
    assert not (trapped / "EXECUTED").exists(), (trapped / "EXECUTED").read_text(encoding="utf-8")


@pytest.mark.slow
def test_workers_find_a_users_module_beside_the_scenario(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    for made in (folder, elsewhere):
        made.mkdir()
    (folder / "nets_beside_q.py").write_text(
        "from sizes_beside_q import model\n"
        "def net(classes, input_shape):\n    return model(classes, input_shape)\n",
        encoding="utf-8",
    )
    (folder / "sizes_beside_q.py").write_text(
        "from cutlayer.models.plain import lenet as model\n", encoding="utf-8"
    )
    scenario = TINY.replace("name: lenet", "name: 'nets_beside_q:net'")
    (folder / "tiny.yaml").write_text(scenario, encoding="utf-8")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.chdir(elsewhere)
    answer = cli("sweep", "../mine/study.yaml", "--executor", "none", "--jobs", "2")
    assert answer.code == 0, answer.err
    assert "2 points" in answer.out


NET = """\
from cutlayer.models.plain import lenet, vgg5

def net(classes, input_shape):
    from sizes_of_two_q import small
    return (lenet if small else vgg5)(classes, input_shape)
"""


def test_scenarios_in_two_folders_run_their_own_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loaded = {}
    for name, small in (("one", True), ("two", False), ("copy", True)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sizes_of_two_q.py").write_text(f"small = {small}\n", encoding="utf-8")
        (folder / "net_of_two_q.py").write_text(NET, encoding="utf-8")
        scenario = TINY.replace("name: lenet", "name: 'net_of_two_q:net'")
        (folder / "a.yaml").write_text(scenario, encoding="utf-8")
        loaded[name] = load_scenario(folder / "a.yaml")
    found = {}
    for name, scenario in loaded.items():
        method = run(scenario, executor="none")[0].methods["splitfed"]
        found[name] = method.virtual_time_s, method.learning_digest
    assert found["one"] == found["copy"]
    assert found["one"][0] != found["two"][0]


@pytest.mark.parametrize("command", ["run", "check", "explain"])
@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("model.name='own_refused_q:net'", "model.name"),
        ("data.dataset='own_refused_q:data'", "data.dataset"),
        ("methods=['own_refused_q:Method']", "methods.0"),
    ],
)
def test_no_user_code_refuses_it_and_names_the_field(
    command: str, override: str, field: str, cli: CommandLine
) -> None:
    (cli.folder / "own_refused_q.py").write_text(
        "raise AssertionError('executed')\n", encoding="utf-8"
    )
    answer = cli(command, "tiny.yaml", "--set", override, "--no-user-code")
    assert_refused(answer, field, "--no-user-code", "own_refused_q")


def test_no_user_code_refuses_it_in_a_sweep_and_in_pretraining(cli: CommandLine) -> None:
    (cli.folder / "study.yaml").write_text(
        STUDY + "set: {model.name: 'own_refused_q:net'}\n", encoding="utf-8"
    )
    for arguments in (
        ("sweep", "study.yaml", "--executor", "none"),
        ("pretrain", "own_refused_q:net", "digits", "--out", "block.safetensors"),
        ("pretrain", "lenet", "own_refused_q:data", "--out", "block.safetensors"),
    ):
        answer = cli(*arguments, "--no-user-code")
        assert answer.code == 2
        assert "--no-user-code" in answer.err
        assert "Traceback" not in answer.err


def test_no_user_code_lets_everything_else_pass(cli: CommandLine) -> None:
    assert cli("check", "tiny.yaml", "--no-user-code").code == 0
    assert cli("show", "tiny.yaml", "--no-user-code").code == 0


def test_only_a_place_for_an_object_makes_a_text_one(tmp_path: Path) -> None:
    from cutlayer.sim.studies.cells import Shared, cells_of

    text = TINY.replace("raspberry-pi-4b", "'own_device_q:pi'")
    text += "devices: {'own_device_q:pi': {speed: 12 GFLOP/s}}\n"
    (tmp_path / "tiny.yaml").write_text(text, encoding="utf-8")
    loaded = load_scenario(tmp_path / "tiny.yaml")
    assert len(list(cells_of(loaded, "", Shared()))) == 2


@pytest.mark.parametrize("first", ["", "working directory"])
def test_the_working_directory_leaves_the_path(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [first or "", "elsewhere"])
    if first:
        sys.path[0] = str(tmp_path)
    drop_working_directory()
    assert sys.path == ["elsewhere"]
    drop_working_directory()
    assert sys.path == ["elsewhere"]


def test_the_working_directory_stays_where_cutlayer_lies_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", "elsewhere"])
    drop_working_directory()
    assert sys.path == ["", "elsewhere"]


def test_a_cluster_s_worker_looks_in_the_folders_that_come_with_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cutlayer.sim.studies.cells import Shared, cells_of

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "nets_of_a_job_q.py").write_text(
        "from cutlayer.models.plain import lenet as net\n", encoding="utf-8"
    )
    scenario = TINY.replace("name: lenet", "name: 'nets_of_a_job_q:net'")
    (tmp_path / "tiny.yaml").write_text(scenario, encoding="utf-8")
    loaded = load_scenario(tmp_path / "tiny.yaml")
    plan_checked(loaded, trains=False)
    cell = next(cells_of(loaded, "", Shared()))
    monkeypatch.setattr(own_object, "_imported_from", {})  # a worker has not imported it
    job = Job("clock", cell.scenario, "", "none")
    with pytest.raises(UnknownModelError, match="nets_of_a_job_q"):
        perform_one(job, Likeness(1, None).content)
    found = perform_one(replace(job, folders=(str(tmp_path),)), Likeness(1, None).content)
    assert list(found) == ["splitfed"]


def test_a_working_directory_that_was_removed_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = (
        "import os, sys; import cutlayer.sim.cli; os.rmdir(os.getcwd());"
        " sys.argv = ['cutlayer', 'list']; cutlayer.sim.cli.main()"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=gone, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr == "the working directory was removed: change to one that exists\n"

"""The import name is `cutlayer` alone: in a wheel, in a clone, and beside a user's own `models/`."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from environments import ROOT, SOURCES, Environment, copy_of_repository

LINKS = tuple(name for name in SOURCES if name not in ("cutlayer", "src"))
RUN = ("run", "quickstart", "--executor", "none", "--set", "training.rounds=2", "--no-plots")
SCRIPT = """\
import sys
import sim
from models.mynet import Net
from cutlayer import load_scenario, run
from cutlayer.models.own_object import import_own

(result,) = run(load_scenario(sys.argv[1], ["training.rounds=1"]), executor="none")
print(result.status, import_own("models.mynet:Net") is Net, sim.mine)
"""
MYNET = """\
from models.sizes import classes_of

class Net:
    def __new__(cls, classes, input_shape):
        from cutlayer.models.plain import lenet
        return lenet(classes_of(classes), input_shape)
"""
SCENARIO = """\
name: mine
seed: 0
data: {dataset: digits, partition: iid, test_fraction: 0.2, train_samples: 60, test_samples: 20}
model: {name: "models.mynet:Net", cut: 1}
training: {rounds: 1, clients_per_round: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.1}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]
methods: [splitfed]
"""


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_every_file_of_the_packages_below_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cutlayer"}
    files = [path for name in LINKS for path in (ROOT / name).rglob("*") if path.is_file()]
    own = [path for path in (ROOT / "cutlayer").iterdir() if path.is_file()]
    expected = {
        *(f"cutlayer/{path.relative_to(ROOT).as_posix()}" for path in files),
        *(path.relative_to(ROOT).as_posix() for path in own),
    }
    assert {name for name in expected if "__pycache__" not in name} == {
        name for name in names if name.startswith("cutlayer/")
    }
    for kind in ("py.typed", ".safetensors", ".yaml", ".csv", ".js", ".css"):
        assert any(name.endswith(kind) for name in names), kind


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """A folder whose files have the names of the repository's folders, and fail if executed."""
    for name in (
        "models/__init__.py",
        "models.py",
        "sim.py",
        "scenarios/__init__.py",
        "topologies.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"raise AssertionError('{name} was executed')\n", encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_command_runs_beside_files_of_the_same_names(
    installed: Environment, traps: Path
) -> None:
    assert "ecofed" in succeeded(installed("cutlayer", *RUN, folder=traps))
    assert (traps / "runs" / "quickstart" / "summary.json").exists()
    version = succeeded(installed("cutlayer", "--version", folder=traps))
    assert succeeded(installed("python", "-m", "cutlayer", "--version", folder=traps)) == version
    help_text = succeeded(installed("python", "-m", "cutlayer", "--help", folder=traps))
    assert help_text.strip().startswith("Usage: python -m cutlayer ")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a user's own `models` (without an __init__.py) and `sim`, and who uses them."""
    for name, text in {
        "models/mynet.py": MYNET,
        "models/sizes.py": "def classes_of(classes):\n    return classes\n",
        "sim.py": "mine = 'mine'\n",
        "mine.yaml": SCENARIO,
        "script.py": SCRIPT,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_script_and_a_scenario_use_a_model_of_the_user_s_own_models(
    installed: Environment, own: Path
) -> None:
    printed = succeeded(installed("python", "script.py", "mine.yaml", folder=own))
    assert printed == "complete True mine\n"
    assert "splitfed" in succeeded(installed("cutlayer", "check", "mine.yaml", folder=own))


@pytest.mark.slow
def test_a_clone_on_the_path_does_not_hide_a_user_s_own_models(
    bare: Environment, own: Path
) -> None:
    """`src` is what an editable installation puts on the path."""
    printed = succeeded(bare("python", "script.py", "quickstart", folder=own, path=ROOT / "src"))
    assert printed == "complete True mine\n"


@pytest.mark.slow
def test_a_clone_works_without_installation(bare: Environment, traps: Path) -> None:
    assert "raspberry-pi-4b" in succeeded(
        bare("python", "-m", "cutlayer", "list", "devices", folder=ROOT)
    )
    assert "ecofed" in succeeded(bare("python", "-m", "cutlayer", *RUN, folder=traps, path=ROOT))
    absent = bare("python", "-m", "cutlayer", "--version", folder=traps)
    assert "No module named cutlayer" in absent.stderr


@pytest.mark.slow
def test_a_clone_without_links_works(bare: Environment, tmp_path: Path) -> None:
    """Git on Windows writes a text file in place of a link, unless it may create links."""
    clone, elsewhere = tmp_path / "clone", tmp_path / "elsewhere"
    for folder in (clone, elsewhere):
        folder.mkdir()
    copy_of_repository(clone, compiled=True)
    for name in LINKS:
        link = clone / "cutlayer" / name
        if link.is_symlink():
            link.unlink()
        else:
            shutil.rmtree(link)
        link.write_text(f"../{name}", encoding="utf-8")
    program = ("python", "-m", "cutlayer")
    assert "ecofed" in succeeded(bare(*program, *RUN, folder=elsewhere, path=clone))
    assert "raspberry-pi-4b" in succeeded(bare(*program, "list", "devices", folder=clone))

"""The errors that a user can correct: one base class, all of them listed in the documentation."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import cutlayer
from cutlayer import UserError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "errors.md"
ENTRY = re.compile(r"^( *)- `(\w+)` \((cutlayer[\w.]*)\): ", re.MULTILINE)


def tree(base: type[UserError]) -> Iterator[tuple[str, str, str]]:
    """Yield each subclass: its name, the name of its parent, and its module."""
    for heir in base.__subclasses__():
        if heir.__module__.startswith("cutlayer."):
            yield (
                heir.__name__,
                heir.__bases__[heir.__bases__.index(base)].__name__,
                heir.__module__,
            )
            yield from tree(heir)


def test_the_page_of_errors_lists_every_class_below_its_parent() -> None:
    for module in walk_packages(cutlayer.__path__, "cutlayer."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    classes = {name: (parent, module) for name, parent, module in tree(UserError)}
    listed, parents = {}, {}
    for indent, name, package in ENTRY.findall(PAGE.read_text(encoding="utf-8")):
        parents[len(indent)] = name
        if indent:
            listed[name] = (parents[len(indent) - 2], package)
    assert sorted(listed) == sorted(classes)
    for name, (parent, package) in listed.items():
        assert parent == classes[name][0], name
        assert f"{classes[name][1]}.".startswith(f"{package}."), name


def test_a_mistake_in_a_scenario_is_reported_without_importing_torch(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: x\ntraning: {}\n", encoding="utf-8")
    program = (
        "import sys\nfrom cutlayer.sim.cli import main\nsys.argv = ['cutlayer', 'check', 's.yaml']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout.split() == ["2", "False"], done.stderr
    assert "did you mean 'training'?" in done.stderr

"""Python environments that see the packages of the running one, with or without the built wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("cutlayer", "models", "scenarios", "sim", "src", "topologies")
BUILD = "import setuptools.build_meta as backend; backend.build_wheel('dist')"
SCRIPT = "#!{python}\nimport sys\nfrom cutlayer.sim.cli import main\nsys.exit(main())\n"
WAIT_S = 600.0


@dataclass(frozen=True)
class Environment:
    """A folder with a Python of its own."""

    folder: Path

    def __call__(
        self, *arguments: str | Path, folder: Path, path: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder, with PYTHONPATH set to `path` or unset."""
        program, *rest = map(str, arguments)
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return subprocess.run(
            [str(Path(self._scripts, program)), *rest],
            cwd=folder,
            env=variables | ({} if path is None else {"PYTHONPATH": str(path)}),
            capture_output=True,
            encoding="utf-8",
            timeout=WAIT_S,
            check=False,
        )

    @property
    def _scripts(self) -> str:
        return sysconfig.get_path("scripts", "venv", {"base": self.folder, "platbase": self.folder})

    @property
    def packages(self) -> Path:
        """The folder of its packages."""
        found = {"base": self.folder, "platbase": self.folder}
        return Path(sysconfig.get_path("purelib", "venv", found))

    @classmethod
    def make(cls, folder: Path) -> "Environment":
        """Create an environment that sees the packages of the running one, but no clone."""
        venv.create(folder, symlinks=os.name != "nt")
        made = cls(folder)
        outside = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
        (made.packages / "dependencies.pth").write_text("\n".join(outside), encoding="utf-8")
        return made

    def install(self, wheel: Path) -> None:
        """Unpack a wheel and write its command."""
        with zipfile.ZipFile(wheel) as content:
            content.extractall(self.packages)
        script = Path(self._scripts, "cutlayer")
        script.write_text(SCRIPT.format(python=Path(self._scripts, "python")), encoding="utf-8")
        script.chmod(0o755)


def copy_of_repository(folder: Path, *, compiled: bool = False) -> Path:
    """Copy what a wheel is made of, links as links, perhaps with byte code; return the copy."""
    ignored = shutil.ignore_patterns("*.pyc.*" if compiled else "__pycache__")  # half written
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def build(folder: Path) -> None:
    source = folder / "source"
    source.mkdir(parents=True)
    copy_of_repository(source)
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    Environment.make(folder / "installed").install(wheel)
    Environment.make(folder / "bare")
    shutil.move(wheel, folder)

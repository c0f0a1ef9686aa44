"""Rules of the whole tree on texts: every file names its encoding, one writer of CSV."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    file
    for package in ("sim", "models", "scenarios", "topologies")
    for file in (ROOT / package).rglob("*.py")
)
OPENERS = {"open", "fdopen", "TextIOWrapper", "NamedTemporaryFile", "TemporaryFile"}
TEXTS = {"read_text": 0, "write_text": 1}  # where the encoding stands without its name
PROCESSES = {"run", "Popen", "check_output", "check_call", "call"}


def calls(file: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call in a file: the node, what is called, and on what, in its last word."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value
                yield node, node.func.attr, owner.id if isinstance(owner, ast.Name) else ""
            elif isinstance(node.func, ast.Name):
                yield node, node.func.id, ""


def is_binary(call: ast.Call) -> bool:
    modes = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    return any(
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" in mode.value
        for mode in modes
    )


def names_encoding(call: ast.Call) -> bool:
    return any(word.arg == "encoding" for word in call.keywords)


def without_encoding(file: Path) -> Iterator[str]:
    own = {
        node.name
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    for call, name, owner in calls(file):
        where = f"{file.relative_to(ROOT)}:{call.lineno}: {name}"
        if name == "open" and owner in ("os", "gzip", "archive", "Image"):  # of bytes
            continue
        if (name in OPENERS and not is_binary(call) and not names_encoding(call)) or (
            name in PROCESSES
            and owner == "subprocess"
            and any(word.arg in ("text", "universal_newlines") for word in call.keywords)
        ):
            yield where
        if name in TEXTS and isinstance(call.func, ast.Attribute) and owner != "atomic_files":
            if len(call.args) <= TEXTS[name] and not names_encoding(call):
                yield where
        elif name in TEXTS and name not in own and not imports(file, name):
            yield where


def imports(file: Path, name: str) -> bool:
    """Whether a file imports a function of this name, which is then one of ours that takes UTF-8."""
    return any(
        isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    )


@pytest.mark.parametrize("package", ["sim", "models", "scenarios", "topologies"])
def test_every_file_is_opened_with_its_encoding(package: str) -> None:
    found = [
        line
        for file in FILES
        if file.is_relative_to(ROOT / package)
        for line in without_encoding(file)
    ]
    assert found == []


def test_the_rule_finds_what_it_is_for(tmp_path: Path) -> None:
    file = ROOT / "sim" / "never_written.py"
    text = (
        "open('a')\nopen('a', 'rb')\npath.open('w')\npath.open('w', encoding='utf-8')\n"
        "path.read_text()\npath.read_text('utf-8')\npath.write_text(text)\n"
        "subprocess.run(['a'], text=True)\n"
    )

    class Text(type(file)):  # type: ignore[misc]
        def read_text(self, encoding: str) -> str:
            return text

    found = [line.split(":")[1] for line in without_encoding(Text(file))]
    assert found == ["1", "3", "5", "7", "8"]


def test_one_file_writes_csv() -> None:
    found = [
        str(file.relative_to(ROOT))
        for file in FILES
        for _, name, owner in calls(file)
        if (owner == "csv" and name in ("writer", "DictWriter")) or name == "to_csv"
    ]
    assert found == ["sim/files/csv_text.py"]


def test_what_prints_goes_through_the_one_console() -> None:
    """What rich parses or colours by itself is made in a few files, which show text as it is."""
    made = {
        "Console": ["sim/commands/console.py"],
        "Text": ["sim/commands/console.py", "sim/commands/progress.py", "sim/files/plain_text.py"],
        "Table": ["sim/views/columns.py"],
        "TextColumn": ["sim/commands/progress.py"],
    }
    modules = ("rich.console", "rich.text", "rich.table", "rich.progress", "rich.markup", "rich")
    found: dict[str, set[str]] = {name: set() for name in made}
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in modules
            for alias in node.names
        }
        used = {name for _, name, _ in calls(file)} | {
            base.id
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for base in node.bases
            if isinstance(base, ast.Name)
        }
        assert not imported & {"render", "print", "from_markup"}, file
        for name in made.keys() & imported & used:
            found[name].add(str(file.relative_to(ROOT)))
    assert {name: sorted(files) for name, files in found.items()} == made

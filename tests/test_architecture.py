"""The architecture: which room may import which, and no circle of modules.

A room is a folder of `sim`, or one of `models`, `topologies` and `scenarios`. Imports that only type
checkers see count like all others.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("models", "topologies", "scenarios", "sim")
LONGEST = 300  # lines of a file whose docstring does not say why it is longer

# Each room, and the rooms whose modules it imports: exactly those. CONTRIBUTING describes the rooms.
# `python tests/test_architecture.py` prints this table as it is in the code.
TABLE = """
__main__ -> cli
build -> clock codecs compute control data endpoints errors learning log methods models network
        scenarios streams suggestion tasks topologies transport
calibrate -> compute data errors files models process topologies
cli -> commands errors files learning loggers models process scenarios version
clock -> errors topologies
codecs -> models scenarios
commands -> build calibrate codecs data errors files learning loggers methods models papers process
        report results run scenarios studies suggestion topologies uncertainty validate version
        views
compute -> clock codecs models topologies
control -> errors models scenarios
cutlayer -> data errors interactive loggers models results scenarios studies uncertainty version
data -> errors models streams suggestion topologies
endpoints -> clock codecs compute errors learning log models network streams topologies
errors ->
files -> errors suggestion
interactive -> build commands data errors loggers methods models process results run scenarios
learning -> codecs data errors files models process scenarios suggestion tasks
log -> errors network
loggers -> errors files models suggestion
methods -> clock codecs compute endpoints errors learning log models scenarios suggestion tasks
models -> errors suggestion
network -> clock suggestion
papers -> build calibrate codecs compute files log methods models results run scenarios topologies
        validate views
process -> errors files models
report -> files results scenarios tasks uncertainty version views
results -> errors files log loggers network process suggestion tasks
run -> build clock control data endpoints errors files learning log loggers methods models network
        process results scenarios suggestion tasks transport version
scenarios -> errors models suggestion topologies
sim ->
streams ->
studies -> build data errors files learning methods models process results run scenarios suggestion
        tasks topologies uncertainty
suggestion ->
tasks -> data errors models scenarios
topologies -> errors models streams suggestion
transport -> network
uncertainty -> build data errors methods models process results run scenarios streams tasks
        topologies
validate -> build files log models results run scenarios suggestion topologies uncertainty views
version ->
views -> errors files log results tasks topologies uncertainty
"""
MAY_IMPORT = {
    name: " ".join(rooms.split())
    for name, rooms in re.findall(r"(\w+) ->((?:\s+\w+\b(?! ->))*)", TABLE)
}


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    files = [*ROOT.glob("cutlayer/*.py")]
    for folder in FOLDERS:
        files += (ROOT / folder).rglob("*.py")
    named = {}
    for file in files:
        parts = list(file.relative_to(ROOT).with_suffix("").parts)
        parts = parts if parts[0] == "cutlayer" else ["cutlayer", *parts]
        named[".".join(parts).removesuffix(".__init__")] = file
    return named


def imported(file: Path) -> Iterator[str]:
    """The names of the modules, or of their contents, that a file imports anywhere."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    return import_graph()


def import_graph() -> nx.DiGraph:
    """An edge from each module to each that it imports."""
    named = modules()
    graph = nx.DiGraph()
    graph.add_nodes_from(named)
    for module, file in named.items():
        for name in imported(file):
            target = name if name in named else name.rpartition(".")[0]
            if target in named and target != module:
                graph.add_edge(module, target)
    return graph


def room(module: str) -> str:
    """The room of a module: `build` for `cutlayer.sim.build.plan`, `models` for `cutlayer.models`."""
    parts = module.split(".")[1:]
    if parts[:1] == ["sim"]:
        parts = parts[1:] or ["sim"]
    return parts[0] if parts else "cutlayer"


def arrows(graph: nx.DiGraph) -> dict[str, str]:
    """The rooms that each room imports, as `MAY_IMPORT` has them."""
    found: dict[str, set[str]] = {room(module): set() for module in graph}
    for module, target in graph.edges:
        if room(module) != room(target):
            found[room(module)].add(room(target))
    return {name: " ".join(sorted(targets)) for name, targets in sorted(found.items())}


def test_rooms_import_the_rooms_that_they_may(graph: nx.DiGraph) -> None:
    now = arrows(graph)
    assert now.keys() == MAY_IMPORT.keys()
    for name in now:
        new = set(now[name].split()) - set(MAY_IMPORT[name].split())
        gone = set(MAY_IMPORT[name].split()) - set(now[name].split())
        edges = [edge for edge in graph.edges if room(edge[0]) == name and room(edge[1]) in new]
        assert not new, f"{name} may not import {new}: {edges}"
        assert not gone, f"{name} no longer imports {gone}: take them off the table"


def test_rooms_form_no_circle(graph: nx.DiGraph) -> None:
    rooms = nx.DiGraph((name, to) for name, all_ in MAY_IMPORT.items() for to in all_.split())
    assert [sorted(c) for c in nx.strongly_connected_components(rooms) if len(c) > 1] == []


def test_modules_form_no_circle(graph: nx.DiGraph) -> None:
    assert [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1] == []


@pytest.mark.parametrize("folder", ["cutlayer", *FOLDERS, "tests", "benchmarks", "validation"])
def test_folders_are_imported_as_parts_of_cutlayer(folder: str) -> None:
    """`import sim` finds the folder in a clone, and nothing where Cutlayer is installed."""
    files = (
        [*(ROOT / folder).glob("*.py")]
        if folder == "cutlayer"
        else [*(ROOT / folder).rglob("*.py")]
    )
    assert files
    for file in files:
        bare = [name for name in imported(file) if name.partition(".")[0] in FOLDERS]
        assert not bare, f"{file} imports {bare}"


def test_long_files_say_why() -> None:
    for file in modules().values():
        text = file.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONGEST:
            docstring = ast.get_docstring(ast.parse(text)) or ""
            assert "This file is long because" in docstring, f"{file} has more than {LONGEST} lines"


if __name__ == "__main__":
    for name, rooms in arrows(import_graph()).items():
        line = textwrap.fill(f"{name} -> {rooms}", 100, subsequent_indent=" " * 8)
        sys.stdout.write(f"{line}\n")

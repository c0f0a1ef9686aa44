"""The scenarios, studies and bandwidth traces that come with Cutlayer, by name."""

from pathlib import Path

FOLDER = Path(__file__).parent / "shipped"


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped scenarios, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def shipped_path(name: str) -> Path:
    """Return the file of a shipped scenario."""
    return FOLDER / f"{name}.yaml"


def shipped_studies() -> tuple[str, ...]:
    """Return the names of the shipped studies, in alphabetical order."""
    return tuple(sorted(path.stem for path in (FOLDER / "studies").glob("*.yaml")))


def study_path(name: str) -> Path:
    """Return the file of a shipped study."""
    return FOLDER / "studies" / f"{name}.yaml"


def shipped_traces() -> tuple[str, ...]:
    """Return the names of the shipped bandwidth traces, in alphabetical order."""
    return tuple(sorted(path.stem for path in (FOLDER / "traces").glob("*.csv")))


def trace_path(trace: str) -> str:
    """Return the file of a shipped trace by its name, or else the path itself."""
    return str(FOLDER / "traces" / f"{trace}.csv") if trace in shipped_traces() else trace

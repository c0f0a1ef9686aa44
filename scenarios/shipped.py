"""The scenarios that come with Cutlayer, by name."""

from pathlib import Path

FOLDER = Path(__file__).parent / "shipped"


def shipped_names() -> tuple[str, ...]:
    """The names of the shipped scenarios, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def shipped_path(name: str) -> Path:
    """The file of a shipped scenario."""
    return FOLDER / f"{name}.yaml"

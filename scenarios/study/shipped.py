"""The studies that come with Cutlayer, by name."""

from pathlib import Path

from cutlayer.scenarios.shipped import FOLDER

STUDIES = FOLDER / "studies"


def shipped_studies() -> tuple[str, ...]:
    """The names of the shipped studies, in alphabetical order."""
    return tuple(sorted(path.stem for path in STUDIES.glob("*.yaml")))


def study_path(name: str) -> Path:
    """The file of a shipped study."""
    return STUDIES / f"{name}.yaml"

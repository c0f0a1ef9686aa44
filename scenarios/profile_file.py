"""A device profile in a file: an entry of the catalogue."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from cutlayer.scenarios.aliases import OLD_PROFILE_KEYS, rename_old, report_once
from cutlayer.scenarios.document import Document
from cutlayer.scenarios.messages import problems_of
from cutlayer.scenarios.problems import Problem, ScenarioError
from cutlayer.scenarios.quantities import Delay, Rate, Size, Speed
from cutlayer.scenarios.yaml_text import read
from cutlayer.suggestion import suggestion
from cutlayer.topologies.catalogue.profile_file import ProfileFileError
from cutlayer.topologies.catalogue.schema import DeviceEntry
from cutlayer.topologies.device import DeviceError, DeviceProfile
from cutlayer.topologies.figures import figures_of
from cutlayer.topologies.text_file import TextFileError, read_text
from cutlayer.topologies.units import parse_duration, parse_rate, parse_size, parse_speed

MAX_BYTES: Final = 256 * 2**10

# The same bounds as in a scenario.
_KINDS: Final[dict[Callable[[object], float], TypeAdapter[Any]]] = {
    parse_rate: TypeAdapter(Rate),
    parse_duration: TypeAdapter(Delay),
    parse_size: TypeAdapter(Size),
    parse_speed: TypeAdapter(Speed),
}


def read_profile(path: Path, name: str) -> DeviceProfile:
    """Return the profile in a YAML file, with a given name.

    Raises ProfileFileError with one sentence that names the line of the first problem.
    """
    try:
        text = read_text(path, MAX_BYTES)
    except TextFileError as error:
        raise ProfileFileError(f"device profile {path} {error}") from None
    try:
        document = read(text, str(path))
        origins = dict(document.origins)
        rename_old(document.data, origins, document.source, OLD_PROFILE_KEYS)
        entry = _entry(replace(document, origins=origins))
        if old := entry.converted():
            report_once(
                f"{path}: rates by the side of a map are deprecated: converted to one rate for each"
                f" pass, with weight_stream and columns; their times of common layers differ by up to"
                f" {old.difference:.0%}"
            )
        profile = entry.profile(name, _no_other)
        _check_covariance(document, profile)
        return profile
    except ScenarioError as error:
        first, more = error.problems[0], len(error.problems) - 1
        others = f"; and {more} more problem{'s' if more > 1 else ''}" if more else ""
        raise ProfileFileError(f"device profile {first}{others}") from None
    except DeviceError as error:
        raise ProfileFileError(f"device profile {path}: {error}") from None


def _entry(document: Document) -> DeviceEntry:
    """Return a valid entry with valid quantities. Raises ScenarioError."""
    problems = list(document.problems)
    if document.data is None:
        problems.append(Problem((), 1, "is empty", source=document.source))
    else:
        try:
            entry = DeviceEntry.model_validate(document.data)
        except ValidationError as error:
            problems += problems_of(document, error, DeviceEntry)
        else:
            problems += _quantities(document, entry)
            if not problems:
                return entry
    raise ScenarioError(problems)


def _quantities(document: Document, entry: DeviceEntry) -> list[Problem]:
    problems = []
    for path, written, parse in entry.quantities():
        try:
            _KINDS[parse].validate_python(written)
        except ValidationError as error:
            problems.append(document.problem(path, error.errors()[0]["msg"]))
    return problems


def _check_covariance(document: Document, profile: DeviceProfile) -> None:
    """Raise ScenarioError if a covariance names a figure that the profile does not have."""
    known = figures_of(profile)
    for number, name in enumerate(profile.covariance.names if profile.covariance else ()):
        if name not in known:
            rule = f"must be a figure of the profile{suggestion(name, known, listed=0)}"
            raise ScenarioError([document.problem(("covariance", "figures", number), rule)])


def _no_other(name: str) -> DeviceProfile:
    raise DeviceError(f"a profile in a file cannot be scaled from another ({name})")

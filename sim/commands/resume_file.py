"""The file resume.json: the command that writes a folder, with everything that it needs to be repeated.

It is written when the command begins to write results, and removed when it has finished.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cutlayer.models.own_object import folders_looked_in, looking_in
from cutlayer.sim.files.code_digest import code_digest
from cutlayer.sim.results.folder import RESUME, in_use, read_marker
from cutlayer.sim.run.resumable import ResumeError
from cutlayer.sim.studies.content_address import inputs_of
from cutlayer.version import __version__

FORMAT: Final = 1


@dataclass(frozen=True)
class Begun:
    """A command that has begun: its name, the file that it was given, and its options.

    `scenario` is resolved; for a study it is its base, and `study` the study. `folders` are those in
    which users' modules are looked up, `inputs` the fingerprints of files and users' own objects.
    """

    command: str
    source: str
    scenario: Mapping[str, Any]
    options: Mapping[str, Any]
    folders: tuple[str, ...]
    inputs: Mapping[str, str | None]
    study: Mapping[str, Any] | None = None


def content_of(
    command: str,
    source: str,
    scenario: Mapping[str, Any],
    options: Mapping[str, Any],
    study: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of resume.json for a command on the scenario or study in the file `source`."""
    return {
        "resume": FORMAT,
        "command": command,
        "cutlayer": __version__,
        "code": code_digest(),
        "source": str(Path(source).resolve()),
        "folders": list(dict.fromkeys([*folders_looked_in(), str(Path.cwd())])),
        "inputs": inputs_of(scenario),
        "options": {name: _written(value) for name, value in options.items()},
        "scenario": dict(scenario),
        "study": study,
    }


def read_begun(folder: Path) -> Begun | None:
    """Return the unfinished command of a folder; None if the command has finished.

    Raises ResumeError if there is nothing that can be resumed.
    """
    marker = read_marker(folder)
    if marker is None:
        raise ResumeError(f"{folder} is not a folder that `cutlayer run` or `sweep` wrote")
    if in_use(folder):
        raise ResumeError(f"{folder} is in use by another command")
    if marker.kind not in ("run", "seeds", "study"):
        raise ResumeError(f"{folder} cannot be resumed ({marker.kind}): repeat its command")
    file = folder / RESUME
    try:
        content = json.loads(file.read_bytes())
        if content["resume"] != FORMAT:
            raise ResumeError(f"{file} was written by another version of Cutlayer")
        begun = Begun(
            content["command"],
            content["source"],
            content["scenario"],
            {name: _read(value) for name, value in content["options"].items()},
            tuple(content["folders"]),
            content["inputs"],
            content["study"],
        )
    except FileNotFoundError:
        if _has_finished(folder):
            return None
        raise ResumeError(
            f"{folder} has no {RESUME}, so that it cannot be resumed: its command ended before its first"
            " round, or was not `cutlayer run` or `sweep`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ResumeError):
            raise
        raise ResumeError(f"{file} is damaged: the run cannot be resumed") from None
    if (content.get("cutlayer"), content.get("code")) != (__version__, code_digest()):
        version = content.get("cutlayer")
        other = version if version != __version__ else f"{version} with other code"
        raise ResumeError(
            f"{folder} was begun by Cutlayer {other}; this is {__version__}, whose numbers may differ:"
            " resume it with the code that began it"
        )
    return begun


def _has_finished(folder: Path) -> bool:
    """Return whether a folder has the summary of a command that was not interrupted."""
    for name in ("summary.json", "seeds.json"):
        try:
            summary = json.loads((folder / name).read_bytes())
        except (OSError, ValueError):
            continue
        return isinstance(summary, dict) and summary.get("status") in ("complete", "stalled")
    return False


def check_inputs(begun: Begun, folder: Path) -> None:
    """Check that files and users' own code have not changed. Raises ResumeError."""
    with looking_in(begun.folders):
        now = inputs_of(begun.scenario)
    changed = [name for name, then in begun.inputs.items() if now.get(name) != then]
    if changed:
        raise ResumeError(
            f"{folder} cannot be resumed: {', '.join(changed)} changed since it was begun"
        )


def _written(value: Any) -> Any:
    """Return an option as plain data; paths become absolute."""
    if isinstance(value, Path):
        return {"path": str(value.resolve())}
    return list(value) if isinstance(value, tuple) else value


def _read(value: Any) -> Any:
    return Path(value["path"]) if isinstance(value, dict) else value

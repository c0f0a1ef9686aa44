"""What lets another command continue a run: resume.json and the folder `checkpoint`."""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.sim.files.atomic import errors_named, write_json
from cutlayer.sim.results.folder import RESUME

CHECKPOINT: Final = "checkpoint"

Note = Callable[[str], None]


class ResumeError(UserError):
    """A run that cannot be resumed."""


@dataclass(frozen=True)
class Resumable:
    """What lets another command continue a run.

    `content` returns that of resume.json, which names the command and its options. The states are saved
    after every `every`-th committed round.
    """

    content: Callable[[], Mapping[str, Any]]
    every: int = 1
    note: Note = lambda _: None

    def begin(self, folder: Path) -> None:
        """Write resume.json into the folder of a run, or of several seeds. Raises OutputError."""
        write_json(folder / RESUME, self.content())


def check_versions(folder: Path, versions: Mapping[str, Any]) -> None:
    """Check that an earlier command ran the seed in a folder, if any did, with the same versions.

    Raises ResumeError.
    """
    file = folder / "versions.json"
    try:
        before = _flat(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError) as error:
        raise ResumeError(
            f"{file} cannot be read, so that the run cannot continue: {error}"
        ) from None
    now = _flat(json.loads(json.dumps(versions)))
    changes = [
        f"{name} was {before.get(name)}, is {now.get(name)} now"
        for name in dict.fromkeys([*before, *now])
        if name != "seed" and before.get(name) != now.get(name)
    ]
    if changes:
        raise ResumeError(
            f"{folder} was begun with other versions, so its bits would differ: {'; '.join(changes)}"
        )


def remove_checkpoints(folder: Path) -> None:
    """Remove what only a resumed command needs, in the folder of a run or of several seeds.

    resume.json goes first: without it, the run counts as finished. Raises OutputError.
    """
    with errors_named(folder):
        (folder / RESUME).unlink(missing_ok=True)
        for run in (folder, *folder.glob("seed-*")):
            with suppress(FileNotFoundError):
                shutil.rmtree(run / CHECKPOINT)


def _flat(versions: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in versions.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found

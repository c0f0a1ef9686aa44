"""`cutlayer resume`: continue a run or study that was interrupted, killed or cut off."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cutlayer.models.catalogue import MODELS
from cutlayer.models.own_object import looking_in
from cutlayer.scenarios.load import load_text
from cutlayer.sim.build.checks import problems_beside
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.commands.resume_file import Begun, check_inputs, read_begun
from cutlayer.sim.commands.run import Resumed, run_command
from cutlayer.sim.commands.sweep import sweep_command
from cutlayer.sim.data.datasets import DATASETS
from cutlayer.sim.files.atomic import errors_named, is_part
from cutlayer.sim.methods.registry import OPTIONS
from cutlayer.sim.results.folder import ResultFolder, claim_folder, read_marker
from cutlayer.sim.run.resumable import ResumeError, remove_checkpoints
from cutlayer.sim.studies.sweep import load_study


def resume_command(path: Path, scheduler: str | None = None) -> int:
    """Continue the run or study in a folder; return the exit code of its command.

    A finished one is left as it is, with exit code 0. `scheduler` is the new address of its cluster.
    """
    begun = read_begun(path)
    if begun is None:
        with _claimed(path):
            remove_checkpoints(path)  # of a command that was killed just before its end
        make_console().say(f"{path} is complete: there is nothing to resume")
        return 0
    if scheduler is not None:
        if begun.options["scheduler"] is None:
            raise ResumeError(f"--scheduler: the command that began {path} does not use a cluster")
        begun = replace(begun, options={**begun.options, "scheduler": scheduler})
    check_inputs(begun, path)
    with looking_in(begun.folders):
        return _study(begun, path) if begun.command == "sweep" else _run(begun, path)


def _run(begun: Begun, path: Path) -> int:
    loaded = load_text(
        json.dumps(begun.scenario),
        source=begun.source,
        methods=OPTIONS,
        models=MODELS,
        datasets=DATASETS,
        further=problems_beside,
    )
    with _claimed(path) as folder:
        _remove_parts(path)
        return run_command(begun.source, [], resumed=Resumed(loaded, folder), **begun.options)


def _study(begun: Begun, path: Path) -> int:
    study = load_study(begun.source, begun.options["draws"])
    now = json.loads(json.dumps([study.written(), study.base.resolved()]))
    if now != [begun.study, begun.scenario]:
        raise ResumeError(
            f"{path} cannot be resumed: {begun.source} or its scenario has changed since it was begun"
        )
    return sweep_command(begun.source, out=path, **begun.options)


@contextmanager
def _claimed(path: Path) -> Iterator[ResultFolder]:
    marker = read_marker(path)
    assert marker is not None, "its resume.json has been read"
    with claim_folder(path, marker.kind, option="", resume=True) as folder:
        yield folder


def _remove_parts(path: Path) -> None:
    """Remove the unfinished files that a killed command left; the folder is claimed."""
    with errors_named(path):
        for file in path.rglob("*"):
            if is_part(file.name):
                file.unlink(missing_ok=True)

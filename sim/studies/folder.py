"""A study's folder: what is found is kept as it is found, the tables come at the end.

cutlayer.json   whose folder it is                study.yaml      the study as it was asked
versions.json   what made the numbers             checksums.sha256
cells/          a file for each clock run         trainings/      a file for each learning curve
points.csv      a row for each point, seed and method            curves.csv  a row for each evaluation
crossovers.csv, best.csv, pareto.csv, sensitivity.csv            the decisions that were asked for
summary.json    how many of what; the status, written last
report.html     all of it to look at, with charts
timings.json    what this sweep did anew, and how long it took: the one file that is never the same
"""

from itertools import count
from pathlib import Path
from typing import Any

import yaml

from cutlayer.scenarios.study import LoadedStudy
from cutlayer.sim.files import csv_text
from cutlayer.sim.files.atomic import (
    OutputError,
    errors_named,
    json_text,
    remove_stale_parts,
    whole_text,
    write_json,
    write_text,
)
from cutlayer.sim.files.checksums import (
    CHECKSUMS,
    ChecksumError,
    checksum,
    read_checksums,
    write_checksums,
)
from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.results.columns import STUDY_TABLES
from cutlayer.sim.results.folder import FolderTakenError, ResultFolder, claim_folder
from cutlayer.sim.studies.result import StudyResult, curve_rows, point_rows
from cutlayer.sim.studies.store import Report

KIND, STUDY, SUMMARY, VERSIONS = "study", "study.yaml", "summary.json", "versions.json"
RESULTS = (STUDY, VERSIONS, SUMMARY, *(f"{name}.csv" for name in STUDY_TABLES))
CELLS, TRAININGS = "cells", "trainings"  # folders of what is found, by address


def claim_study(out: Path | None, name: str) -> ResultFolder:
    """Claim the folder of a study: `out`, or runs/NAME; one that holds the study is continued.

    Where runs/NAME holds anything else, or another sweep works in it, the next of runs/NAME-2,
    runs/NAME-3, ... is taken. Raises OutputError where `out` cannot be had.
    """
    if out is not None:
        folder = claim_folder(out, KIND, resume=True)
        there = _name_in(folder)
        if there not in (None, name):
            folder.release()
            raise OutputError(
                f"--out {out} holds the study {there!r}, not {name!r}; name a new folder"
            )
        return folder
    for number in count(1):
        path = Path("runs", name if number == 1 else f"{name}-{number}")
        try:
            folder = claim_folder(path, KIND, option="", resume=True)
        except FolderTakenError:
            continue
        if _name_in(folder) in (None, name):
            return folder
        folder.release()
    raise AssertionError("the names are endless")


def begin(folder: ResultFolder, study: LoadedStudy, report: Report) -> None:
    """Say in the folder what is asked; name what is damaged there, all of which is written anew.

    Raises OutputError.
    """
    path = folder.path
    for file in _damaged(path):
        report(f"{file} is damaged (its content is not what was written) and is written anew")
    with errors_named(path):
        for place in (path, path / CELLS, path / TRAININGS):
            remove_stale_parts(place)
        for name in (SUMMARY, CHECKSUMS):
            (path / name).unlink(missing_ok=True)
    text = yaml.safe_dump(study.written(), sort_keys=False, allow_unicode=True)
    write_text(path / STUDY, text)


def write_results(result: StudyResult, folder: ResultFolder) -> None:
    """Write the tables and their checksums, then the summary. Raises OutputError."""
    path = folder.path
    tables = {"points": point_rows(result), "curves": curve_rows(result)} | result.decisions
    with held_back():
        folder.check()
        for name, rows in tables.items():
            with whole_text(path / f"{name}.csv") as text:
                csv_text.write_rows(text, rows)
        write_json(path / VERSIONS, dict(result.versions))
        told = json_text(summary(result))
        files = [STUDY, VERSIONS, *(f"{name}.csv" for name in tables)]
        write_checksums(path, files, {SUMMARY: told.encode()})
        write_text(path / SUMMARY, told)


def _name_in(folder: ResultFolder) -> Any:
    """Return the name of the study that a folder holds, None where there is none that can be read."""
    try:
        content = yaml.safe_load((folder.path / STUDY).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return content.get("name") if isinstance(content, dict) else None


def _damaged(path: Path) -> list[Path]:
    """Return the files of a sweep that had ended that are not as it wrote them."""
    if not (path / SUMMARY).exists() and not (path / CHECKSUMS).exists():
        return []
    try:
        listed = read_checksums(path)
    except ChecksumError:
        return [path / CHECKSUMS]
    return [
        path / name
        for name, digest in listed.items()
        if name in RESULTS and not _is_whole(path / name, digest)
    ]


def _is_whole(file: Path, digest: str) -> bool:
    try:
        return file.is_file() and checksum(file.read_bytes()) == digest
    except OSError:
        return False


def summary(result: StudyResult) -> dict[str, object]:
    """Return the contents of a study's summary.json."""
    trainings = result.trainings
    return {
        "schema": 1,
        "status": "complete",
        "study": result.study.study.name,
        "points": len(result.study.points),
        "cells": len(result.cells),
        "infeasible": sum(found.status == "infeasible" for found in result.cells),
        "stalled": sum(found.status == "stalled" for found in result.cells),
        "seeds": result.seeds,
        "labels": result.labels,
        "axes": {name: [step.label for step in steps] for name, steps in result.study.axes.items()},
        "trainings": {
            "curves": trainings.curves,
            "needed": trainings.needed,
            "shared": trainings.shared,
            "alone": trainings.alone,
        },
        "decisions": {name: list(rows) for name, rows in result.decisions.items()},
    }

"""A study's folder: cells and trainings are stored as they finish, tables are written at the end.

cutlayer.json   the marker of the folder          study.yaml      the study as it was run
versions.json   versions behind the numbers       checksums.sha256
cells/          a file per clock run              trainings/      a file per learning curve
draws/          a file per clock run with draws
points.csv      a row per point, seed and method  curves.csv      a row per evaluation
crossovers.csv, best.csv, pareto.csv, sensitivity.csv             the decisions that were asked for
summary.json    counts and the status, written last
report.html     the report page, with charts
timings.json    the new work of this sweep and its seconds, the only file that differs between runs
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
from cutlayer.sim.studies.result_store import Report
from cutlayer.sim.tasks.metric import ACCURACY

KIND, STUDY, SUMMARY, VERSIONS = "study", "study.yaml", "summary.json", "versions.json"
RESULTS = (STUDY, VERSIONS, SUMMARY, *(f"{name}.csv" for name in STUDY_TABLES))
CELLS, TRAININGS, DRAWS = "cells", "trainings", "draws"  # folders of results by address


def claim_study(out: Path | None, name: str) -> ResultFolder:
    """Claim the folder of a study: `out`, or runs/NAME. A folder with the same study is continued.

    If runs/NAME contains anything else or another sweep is using it, the first free one of runs/NAME-2,
    runs/NAME-3, ... is claimed. Raises OutputError if `out` cannot be claimed.
    """
    if out is not None:
        folder = claim_folder(out, KIND, resume=True)
        earlier = _name_in(folder)
        if earlier not in (None, name):
            folder.release()
            raise OutputError(
                f"--out {out} holds the study {earlier!r}, not {name!r}; name a new folder"
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
    """Write the study into its folder; report damaged files, all of which are written again.

    Raises OutputError.
    """
    path = folder.path
    for file in _damaged(path):
        report(f"{file} is damaged (its content is not what was written) and is written again")
    with errors_named(path):
        for place in (path, path / CELLS, path / TRAININGS, path / DRAWS):
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
        text_of_summary = json_text(summary(result))
        files = [STUDY, VERSIONS, *(f"{name}.csv" for name in tables)]
        write_checksums(path, files, {SUMMARY: text_of_summary.encode()})
        write_text(path / SUMMARY, text_of_summary)


def _name_in(folder: ResultFolder) -> Any:
    """Return the name of the study in a folder, None if there is none that can be read."""
    try:
        content = yaml.safe_load((folder.path / STUDY).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return content.get("name") if isinstance(content, dict) else None


def _damaged(path: Path) -> list[Path]:
    """Return the files of a finished sweep that have changed since."""
    if not (path / SUMMARY).exists() and not (path / CHECKSUMS).exists():
        return []
    try:
        listed = read_checksums(path)
    except ChecksumError:
        return [path / CHECKSUMS]
    results = {path / name: digest for name, digest in listed.items() if name in RESULTS}
    return [file for file, digest in results.items() if not _is_whole(file, digest)]


def _is_whole(file: Path, digest: str) -> bool:
    try:
        return file.is_file() and checksum(file.read_bytes()) == digest
    except OSError:
        return False


def summary(result: StudyResult) -> dict[str, object]:
    """Return the contents of a study's summary.json."""
    trainings = result.trainings
    section = result.study.base.scenario.uncertainty
    drawn = {} if section is None else {"draws": section.draws, "interval": section.interval}
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
        **({"uncertainty": drawn} if drawn else {}),
        **({} if result.metric == ACCURACY else {"metric": result.metric.written()}),
    }

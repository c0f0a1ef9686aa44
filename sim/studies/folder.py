"""A study's folder: what is found is kept as it is found, the tables come at the end.

study.yaml      the study as it was asked         versions.json   what made the numbers
cells/          a file for each clock run         trainings/      a file for each learning curve
points.csv      a row for each point, seed and method            curves.csv  a row for each evaluation
crossovers.csv, best.csv, pareto.csv, sensitivity.csv            the decisions that were asked for
summary.json    how many of what; the status, written last
report.html     all of it to look at, with charts
timings.json    what this sweep did anew, and how long it took: the one file that is never the same
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

from scenarios.study import LoadedStudy
from sim import csv_text
from sim.round_results import Row
from sim.run_directory import OutputError, write_json
from sim.studies.result import StudyResult
from sim.studies.tables import curve_rows, point_rows

STUDY, SUMMARY = "study.yaml", "summary.json"


def study_folder(out: Path | None, name: str) -> Path:
    """Return the folder of a study: `out`, or runs/NAME; one that holds the study is gone on with.

    Raises OutputError where it holds anything else.
    """
    folder = out or Path("runs", name)
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        known = (folder / STUDY).is_file()
        if taken and not known:
            where = "--out " if out is not None else ""
            raise OutputError(
                f"{where}{folder} exists and holds no study; name a new folder (--out)"
            )
        if known:
            content = yaml.safe_load((folder / STUDY).read_text(encoding="utf-8"))
            there = content.get("name") if isinstance(content, dict) else None
            if there != name:
                raise OutputError(
                    f"{folder} holds the study {there!r}, not {name!r}; name a new folder"
                )
    except (OSError, yaml.YAMLError) as error:
        raise OutputError(f"folder {folder} cannot be read: {error}") from None
    return folder


def begin(folder: Path, study: LoadedStudy) -> None:
    """Make the folder and say in it what is asked. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SUMMARY).unlink(missing_ok=True)
        for cut_off in folder.rglob("*.part"):  # of a sweep that was killed as it wrote
            cut_off.unlink()
        unfinished = folder / f"{STUDY}.part"
        text = yaml.safe_dump(study.written(), sort_keys=False, allow_unicode=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(folder / STUDY)
    except OSError as error:
        raise OutputError(f"folder {folder} cannot be written: {error.strerror}") from None


def write_results(result: StudyResult, folder: Path) -> None:
    """Write the tables, then the summary."""
    write_rows(folder / "points.csv", point_rows(result))
    write_rows(folder / "curves.csv", curve_rows(result))
    for name, rows in result.decisions.items():
        write_rows(folder / f"{name}.csv", rows)
    write_json(folder / "versions.json", dict(result.versions))
    write_json(folder / SUMMARY, summary(result))


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


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    """Write a table that appears whole or not at all; an empty one is an empty file."""
    unfinished = file.with_name(f"{file.name}.part")
    with unfinished.open("w", newline="", encoding="utf-8") as text:
        csv_text.write_rows(text, rows)
    unfinished.replace(file)

"""Damaged copies of a study's folder: every reader reports them in one line."""

import shutil
from pathlib import Path

import pytest
from small_studies import SCENARIO, small_study

from cutlayer.sim.report.report import sources_of
from cutlayer.sim.results.export import tables_of
from cutlayer.sim.results.files import SavedError
from cutlayer.sim.results.read import read, read_run, read_study
from cutlayer.sim.studies.sweep import sweep


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    study = small_study(folder, crossovers={"axis": "up"}, best={"axis": "up"})
    sweep(study, executor="none", out=folder / "out")
    return folder / "out"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def refused(folder: Path) -> None:
    """Check that report and export refuse the folder, each in one line."""
    for reader in (lambda: sources_of([folder]), lambda: tables_of(read(folder))):  # type: ignore[arg-type]
        with pytest.raises(SavedError) as told:
            reader()
        assert len(str(told.value).splitlines()) == 1
        assert str(folder) in str(told.value)


@pytest.mark.parametrize("name", ["points.csv", "crossovers.csv", "pareto.csv", "summary.json"])
def test_a_changed_cut_off_or_missing_file(copy: Path, name: str) -> None:
    file = copy / name
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-3] + b"1" + whole[-2:], b""):
        file.write_bytes(damaged)
        refused(copy)
    file.unlink()
    refused(copy)


def test_missing_checksums_mean_an_incomplete_copy(copy: Path) -> None:
    (copy / "checksums.sha256").unlink()
    refused(copy)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("points.csv", "splitfed", "nobody"),
        ("points.csv", "complete,2,", "complete,2,nan,"),
        ("points.csv", "virtual_time_s", "time"),
        ("crossovers.csv", "better", "worse"),
    ],
)
def test_tables_edited_into_nonsense(copy: Path, name: str, old: str, new: str) -> None:
    """The file's checksum line is deleted, as for an intended edit."""
    sums = copy / "checksums.sha256"
    lines = sums.read_text("utf-8").splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if name not in line), "utf-8")
    text = (copy / name).read_text("utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new), "utf-8")
    refused(copy)


def test_a_study_is_not_compared_as_a_run(copy: Path) -> None:
    with pytest.raises(SavedError, match="holds a study, not a run"):
        read_run(copy)


def test_labels_and_steps_that_look_like_numbers_are_read_as_texts(tmp_path: Path) -> None:
    methods = "methods: [{splitfed: {}, label: '1'}, {classic_fl: {}, label: '2'}]"
    scenario = SCENARIO.replace("methods: [splitfed, {ecofed: {init: random}}]", methods)
    study = small_study(tmp_path, scenario, crossovers={"axis": "up"}, best={"axis": "up"})
    sweep(study, executor="none", out=tmp_path / "out")
    saved = read_study(tmp_path / "out")
    assert {(row["first"], row["second"]) for row in saved.table("crossovers")} == {("1", "2")}
    assert [row["label"] for row in saved.table("best")] == ["1", "2"]


def test_the_column_place_of_an_earlier_version_is_read_as_value_si(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    present = read_study(copy).table("crossovers")
    file = copy / "crossovers.csv"
    text = file.read_text("utf-8")
    file.write_text(text.replace(",value_si,", ",place,"), "utf-8")
    (copy / "checksums.sha256").write_text("", "utf-8")
    assert read_study(copy).table("crossovers") == present
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{file}: column names of an earlier version are deprecated")
    assert "place is now value_si" in line

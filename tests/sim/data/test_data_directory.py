from pathlib import Path

import pytest

from cutlayer.sim.data.datasets import DATASETS, DataError, load
from cutlayer.sim.data.readers import data_directory, find_folder


def test_an_argument_takes_precedence_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, set_ = tmp_path / "given", tmp_path / "set"
    given.mkdir()
    set_.mkdir()
    monkeypatch.setenv("CUTLAYER_DATA_DIR", str(set_))
    assert data_directory(str(given)) == given
    assert data_directory(None) == set_
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_directory("~/given") == given


@pytest.mark.parametrize("value", [None, ""])
def test_there_is_no_default_directory(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("CUTLAYER_DATA_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("CUTLAYER_DATA_DIR", value)
    assert data_directory(None) is None


def test_a_missing_directory_is_reported_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"the data directory names .*nowhere, which is not a dir"):
        data_directory(tmp_path / "nowhere")
    monkeypatch.setenv("CUTLAYER_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(DataError, match=r"CUTLAYER_DATA_DIR names .*elsewhere"):
        data_directory(None)


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_a_missing_set_is_reported_with_the_searched_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("CUTLAYER_DATA_DIR", raising=False)
    with pytest.raises(DataError, match=f"{name} is read from disk .*--data-dir .*CUTLAYER_DATA"):
        load(name)
    with pytest.raises(DataError, match=f"{name} was not found in {tmp_path}: looked for .*/"):
        load(name, tmp_path)


def test_a_folder_of_the_set_is_preferred_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert find_folder("any", tmp_path, ["a", "b"], ["file"]) == tmp_path
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").touch()
    assert find_folder("any", tmp_path, ["a", "b"], ["file"]) == tmp_path / "b"

"""CSV that is safe in a spreadsheet: formulas become texts, numbers stay, reading restores both."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.files.csv_text import CsvWriter, cell, read_rows, write_rows


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=", "-x", "--", "+", "'=1"],
)
def test_a_text_that_a_spreadsheet_would_evaluate_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "value",
    [-5, -0.25, 1e-9, True, None, "-5", "+1.2e-3", "-.5", "-3.4 %", "-inf", "-", "", "a=1", "'tis"],
)
def test_numbers_and_other_texts_are_written_unchanged(value: object) -> None:
    assert cell(value) == value


def test_rows_and_column_names_are_read_back() -> None:
    rows = [{"=a": "@x", "b": -1.5}, {"b": None, "c": "'=y\nz,"}]
    file = io.StringIO(newline="")
    write_rows(file, rows)
    assert next(csv.reader(io.StringIO(file.getvalue()))) == ["'=a", "b", "c"]
    file.seek(0)
    assert read_rows(file) == [
        {"=a": "@x", "b": "-1.5", "c": ""},
        {"=a": "", "b": "", "c": "'=y\nz,"},
    ]


def test_without_rows_nothing_is_written() -> None:
    file = io.StringIO()
    write_rows(file, [])
    assert file.getvalue() == ""
    assert read_rows(io.StringIO("")) == []


def test_a_row_with_an_unknown_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="b"):
        CsvWriter(io.StringIO(), ["a"]).add({"b": 1})


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(st.one_of(texts, st.text("'=+-@\t\r\n,\"a1")), texts)))
def test_every_text_is_read_back(rows: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = CsvWriter(file, ["one", "other"])
    for row in rows:
        writer.add_values(row)
    file.seek(0)
    assert [tuple(row.values()) for row in read_rows(file)] == rows
    file.seek(0)
    for line in csv.reader(file):
        for text in line:
            harmless = cell(text) == text or text.startswith("'")
            assert harmless, text

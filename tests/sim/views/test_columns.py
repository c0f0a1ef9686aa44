"""Tables on terminals of any width: lines fit, words are whole, and every cell is there."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cutlayer.sim.views.columns import Column, print_columns, print_grid, print_list

WORDS = st.text("abcdefg_-.", min_size=1, max_size=20)
TEXTS = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
NUMBERS = st.integers(0, 10**9).map(lambda number: f"{number:,}")


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    count = draw(st.integers(1, 5))
    numbers = draw(st.lists(st.booleans(), min_size=2, max_size=9))
    return [
        Column(
            draw(TEXTS),
            [draw(NUMBERS if is_number else TEXTS) for _ in range(count)],
            numbers=is_number,
        )
        for is_number in numbers
    ]


def printed(width: int, first: Column, *others: Column) -> str:
    written = io.StringIO()
    print_columns(Console(file=written, width=width), first, others)
    return written.getvalue()


@given(columns(), st.sampled_from((60, 80, 120)))
def test_lines_fit_words_are_whole_and_every_cell_is_there(found: list[Column], width: int) -> None:
    text = printed(width, *found)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    there = text.split()
    for column in found:
        for word in " ".join([column.heading, *map(str, column.cells)]).split():
            assert word in there


def test_columns_that_do_not_fit_go_below_beside_the_first_in_tables_of_about_one_width() -> None:
    others = [Column(f"heading-{i}", ["1234567890"]) for i in range(7)]
    text = printed(80, Column("method", ["name"]), *others)
    tables = text.split("\n\n")
    assert [table.count("heading-") for table in tables] == [4, 3]
    assert all(table.startswith("method") for table in tables)
    assert all("name" in table for table in tables)


def test_several_leading_columns_are_repeated() -> None:
    written = io.StringIO()
    keys = [Column("method", ["splitfed", ""]), Column("link", ["up", "down"], numbers=False)]
    others = [Column("x" * 20, ["1", "2"]) for _ in range(3)]
    print_columns(Console(file=written, width=60), keys, others)
    tables = written.getvalue().split("\n\n")
    assert len(tables) == 2
    assert all("splitfed" in table and "down" in table for table in tables)


def test_a_word_that_is_longer_than_half_a_line_is_folded() -> None:
    text = printed(40, Column("path", ["x" * 200]), Column("size", ["12"]))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 40
    assert text.count("x") == 200


def test_columns_of_numbers_are_flush_right_and_a_list_has_no_headings() -> None:
    written = io.StringIO()
    console = Console(file=written, width=80)
    print_grid(console, ("case", "time"), [("a", "1.5 s"), ("b", "10.25 s")])
    assert [line[-8:] for line in written.getvalue().splitlines()[-2:]] == ["  1.5 s ", "10.25 s "]
    written.truncate(0)
    print_list(console, [("name", "what it is")], "things")
    assert [line.split() for line in written.getvalue().strip("\0").splitlines()] == [
        ["things"],
        ["name", "what", "it", "is"],
    ]


@pytest.mark.parametrize("width", [60, 80])
def test_headings_take_three_lines_at_most_and_are_never_cut(width: int) -> None:
    heading = "traffic per client and round (MB)"
    text = printed(width, Column("method", ["ecofed"]), Column(heading, ["4.7"]))
    above = text.splitlines()[: -2 - text.endswith("\n\n")]
    assert len(above) <= 3
    assert set(heading.split()) <= set(" ".join(above).split())
    assert "…" not in text

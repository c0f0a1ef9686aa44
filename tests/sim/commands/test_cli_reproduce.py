"""`cutlayer reproduce`: what it prints and writes, and what it refuses."""

from dataclasses import replace

import pytest
from command_line import CommandLine, assert_refused, files

from cutlayer.sim.papers import ares, bpfree, ecofed_map, edpfl
from cutlayer.sim.papers.registry import TABLES


def test_a_table_is_printed_and_written(cli: CommandLine) -> None:
    answer = cli("reproduce", "ares", "--out", "here")
    assert answer.code in (0, None), answer.err
    for words in ("ARES' testbed", "published", "NOT within", "results: here"):
        assert words in answer.out
    written = ["ares.csv", "ares.md", "ares.png", "ares.svg", "cutlayer.json"]
    assert files(cli.folder / "here") == written


def test_all_tables_and_the_order_of_all_times(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = list(
        ecofed_map.points(lambda *_: None, ("raspberry-pi-4b",), ((50, 50), (10.24, 25.6)), (4, 16))
    )
    monkeypatch.setattr(ecofed_map, "points", lambda _: few)
    for paper in (bpfree, edpfl):  # their runs take long; tests/sim/papers computes them
        name = paper.__name__.rpartition(".")[2]
        monkeypatch.setattr(paper, "table", lambda name=name: replace(ares.table(), name=name))
    answer = cli("reproduce", "all", "--out", "here")
    assert answer.code in (0, None), answer.err
    assert "Kendall's tau" in answer.out
    written = files(cli.folder / "here")
    for name in TABLES:
        assert {f"{name}.csv", f"{name}.md", f"{name}.png"} <= set(written)
    assert {"ecofed_map.csv", "ecofed_map.png", "ranking.txt"} <= set(written)


def test_an_unknown_table_and_a_full_folder_are_refused(cli: CommandLine) -> None:
    assert_refused(cli("reproduce", "edpfi"), "unknown table 'edpfi'", "'edpfl'")
    assert_refused(cli("reproduce", "ares", "--out", "."), "--out .", "not empty")
    assert files(cli.folder) == ["tiny.yaml"]

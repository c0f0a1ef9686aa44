"""The reproduced tables: their tolerances, their verdicts, and their files."""

import csv
import re
from dataclasses import replace

import pytest
from rich.console import Console

from cutlayer import load_scenario, run
from cutlayer.sim.papers import ares, benchmark_pi, bpfree, edpfl, mpsl, splitlite
from cutlayer.sim.papers.ecofed import table as ecofed_table
from cutlayer.sim.papers.ecofed_map import HEADLINES, Point, nearest, points
from cutlayer.sim.papers.output import markdown, print_reproduced, verdict, write_csv, write_map
from cutlayer.sim.papers.worlds import seconds_per_round
from cutlayer.sim.validate.table import Fitted, Line, Table, absolute_errors, kendall_tau, timed
from cutlayer.topologies.figures import COSTS, figures_of


def silent(*_: object) -> None:
    """Ignore progress."""


def by_name(table: Table) -> dict[str, Line]:
    return {line.quantity: line for line in table.lines}


@pytest.fixture(scope="module")
def testbed() -> Table:
    return edpfl.table()


def test_the_stack_reproduces_edpfl(testbed: Table):
    lines = by_name(testbed)
    asked = {
        "classic_fl, round": 0.10,
        "splitfed, round": 0.10,
        "ecofed, round": 0.10,
        "ecofed, round, repeat of 5 rounds": 0.10,
        "ecofed, upload round": 0.15,
        "ecofed, replay round": 0.15,
        "splitfed, mean over 10 start offsets": 0.10,
    }
    for name, within in asked.items():
        assert lines[name].within == within
        assert lines[name].holds, (name, lines[name].deviation)
    for method in ("classic_fl", "splitfed", "ecofed"):
        line = lines[f"{method}, bytes of a round"]
        assert (line.within, line.holds) == (0.005, True)
    fitted = {name for name, line in lines.items() if line.kind == "fitted"}
    assert fitted == {
        *("classic_fl, round", "classic_fl, round, repeat of 5 rounds"),
        *("ecofed, round", "ecofed, round, repeat of 5 rounds"),
        *("ecofed, upload round", "ecofed, replay round"),
    }
    # The stack's time of a round was set from this one.
    assert abs(lines["ecofed, replay round"].deviation) < 0.005


def test_the_numbers_of_edpfl_are_those_of_the_shipped_scenario(testbed: Table):
    (result,) = run(load_scenario(edpfl.SCENARIO), executor="none")
    lines = by_name(testbed)
    for label, method in result.methods.items():
        assert lines[f"{label}, round"].simulated == pytest.approx(seconds_per_round(method))


def test_the_two_pis_of_edpfl_differ_only_by_one_speed():
    devices = load_scenario(edpfl.SCENARIO).scenario.devices
    slow, fast = (devices[name].named(name) for name in ("pi-b", "pi-a"))
    assert slow.stack == fast.stack == edpfl.STACK
    times = figures_of(fast)
    for name, figure in figures_of(slow).items():
        faster = figure / 1.58 if name in COSTS else figure * 1.58
        assert times[name] == pytest.approx(faster), name


def test_ares_is_fitted_to_whole_models_and_reports_its_misses():
    table = ares.table()
    lines = by_name(table)
    whole = [line for line in table.lines if line.kind == "fitted"]
    assert [line.published for line in whole] == pytest.approx([3.57, 0.116])
    assert all(abs(line.deviation) < 0.05 for line in whole)
    cut = [line for line in table.lines if line.kind == "predicted"]
    assert len(cut) == 4
    assert all(line.within == 0.10 for line in cut)
    pi = [line for line in cut if "raspberry" in line.quantity]
    assert all(abs(line.deviation) < 0.25 for line in pi)
    nano = [line for line in cut if "jetson" in line.quantity]
    assert not any(line.holds for line in nano)
    assert all("both messages need 0.69 s" in line.note for line in nano)
    assert "NOT within" in verdict(table)
    # A run of the shipped scenario gives the same times: 50 iterations a round.
    (result,) = run(load_scenario(ares.SCENARIO), executor="none")
    for client, use in result.methods["classic_fl"].devices.items():
        line = lines[f"VGG5 on {use.device}, whole"]
        assert use.compute_s / use.rounds / 50 == pytest.approx(line.simulated), client
    slowest = result.methods["splitfed"].rounds[0]
    line = lines["VGG5 on raspberry-pi-3b-plus, cut after pooling, server laptop-8-core"]
    assert slowest.round_time_s / 50 == pytest.approx(line.simulated, rel=1e-3)


def test_mpsls_layers_are_those_of_three_machines_and_fitted():
    table = mpsl.table()
    lines = by_name(table)
    layers = [line for line in table.lines if line.unit == "ms"]
    assert {line.kind for line in layers} == {"fitted"}
    # Two passes of twelve layers or groups; the VM and the laptop lack those that took under 1 ms.
    counts = [sum(line.quantity.startswith(name) for line in layers) for name in mpsl.BATCH_S]
    assert counts == [24, 22, 23]
    assert lines["server-8-core, conv6 to conv8, forward"].published == pytest.approx(161 / 3)
    for name in mpsl.BATCH_S:
        assert abs(lines[f"{name}, VGG19's batch"].deviation) < 0.05
    assert lines["VGG19, Pi 3B+ over Pi 4"].deviation == pytest.approx(0, abs=0.01)
    # The worst of the three machines is described to a third.
    errors = absolute_errors(layers)
    assert sum(errors) / len(errors) < 0.30
    assert timed([table], only_predicted=True) == [lines["raspberry-pi-4b, VGG19's optimizer"]]


def test_the_benchmark_is_fitted_and_predicted_beside():
    table = benchmark_pi.table()
    assert len(table.lines) == 2 * (2 * 7 + 2 * 4)
    for fitted, predicted in zip(table.lines[::2], table.lines[1::2], strict=True):
        assert (fitted.kind, predicted.kind) == ("fitted", "predicted")
        assert predicted.quantity == f"{fitted.quantity}, left out"
        assert predicted.published == fitted.published
    for kind, most in (("fitted", 0.08), ("predicted", 0.16)):
        whole = [line for line in table.lines if line.kind == kind and "train" in line.quantity]
        errors = absolute_errors(whole)
        assert sum(errors) / len(errors) < most


@pytest.fixture(scope="module")
def few() -> list[Point]:
    """A small map of EcoFed's settings."""
    return list(points(silent, ("raspberry-pi-4b",), ((20, 20), (20, 40), (100, 100)), (16,)))


@pytest.fixture(scope="module")
def ecofed(few: list[Point]) -> Table:
    return ecofed_table(few)


def test_ecofeds_bytes_and_where_its_times_hold(few: list[Point], ecofed: Table):
    assert [point.link for point in few] == [(20, 20), (20, 40), (100, 100)]
    size_lines = [line for line in ecofed.lines if "bytes" in line.quantity]
    assert len(size_lines) == 6
    assert all(line.holds for line in size_lines)
    assert {line.kind for line in size_lines} == {"predicted", "inferred"}
    times = [line for line in ecofed.lines if "time" in line.quantity]
    assert len(times) == 8
    assert {line.kind for line in times} == {"fitted"}
    # On a slower link, bytes count more.
    for measure in ("makespan", "additive"):
        slow, half, fast = (point.ratios(measure) for point in few)
        assert slow[0] > half[0] > fast[0] > 1
        assert slow[1] > half[1] > fast[1] > 1


def test_ecofeds_headlines_leave_time_for_computing_on_the_groups_links(ecofed: Table):
    """Published: 178 to 304 ms an iteration of EcoFed, 422 to 590 ms one of SplitFed (rounded)."""
    said = next(remark for remark in ecofed.remarks if remark.startswith("Consistency"))
    numbers = [float(found) for found in re.findall(r"(\d+) (?:to|ms)", said)]
    assert numbers[:4] == pytest.approx([178, 304, 422, 590], rel=0.01)


def point(classic: float, split: float) -> Point:
    return Point("pi", 10, 25, 1, (classic, split), (2 * classic, 2 * split))


def test_the_nearest_setting_has_the_smallest_maximum_error():
    some = [point(20, 2.8), point(25, 1.0), point(10, 2.83)]
    assert nearest(some, *HEADLINES["v2"], "makespan") is some[0]
    assert nearest(some, 50, 2.0, "additive") is some[1]
    assert some[0].meets(21, 2.86, "makespan", 0.10)
    assert not some[0].meets(25.66, 2.83, "makespan", 0.10)
    assert str(some[0]) == "pi, 10 up and 25 down Mbit/s, server x1"


def test_the_bytes_of_bpfree_are_exact():
    table = bpfree.table()
    assert len(table.lines) == 7
    exact = [line for line in table.lines if line.unit == "B"]
    assert [line.simulated for line in exact] == [
        *(1_966_080_000, 21_920_384),
        *(201_326_592, 89_275_648),
    ]
    assert all(line.published == line.simulated and line.holds for line in exact)
    # Published with two decimals.
    for line in table.lines[4:]:
        assert round(line.simulated, 1) == round(line.published, 1)
        assert abs(line.simulated - line.published) < 0.0051, line.quantity
    assert {line.kind for line in table.lines} == {"predicted"}


def test_the_shares_of_splitlite_are_those_published_to_the_printed_digit():
    table = splitlite.table()
    assert len(table.lines) == 24
    assert all(line.holds for line in table.lines)
    (line,) = (one for one in table.lines if one.quantity == "Llama-3.2-3B, SplitLite, uplink")
    by_hand = (128 + 3072) * 32 * 4 / (128 * 3072 * 16)  # rank 32, 4 of 16 bits
    assert line.simulated == round(100 * by_hand, 1)


def test_bytes_are_shown_to_the_byte(tmp_path):
    line = replace(LINE, unit="B", published=1_966_080_000, simulated=1_966_080_001, within=0.0)
    text = markdown(replace(TABLE, lines=(line,)))
    assert "| 1,966,080,000 B | predicted | 1,966,080,001 B |" in text
    assert line.holds is False
    write_csv(replace(TABLE, lines=(line,)), tmp_path / "bytes.csv")
    assert "1966080001" in (tmp_path / "bytes.csv").read_text(encoding="utf-8")


LINE = Line("a round", "s", 2.0, "predicted", 2.5, "a log", "a note", within=0.10)
TABLE = Table(
    "some",
    "Some table",
    (LINE, replace(LINE, quantity="bytes", unit="MiB", simulated=2.05, kind="fitted")),
    (Fitted("a speed", "3 GFLOP/s", "a batch"),),
    ("A remark.",),
)


def test_the_verdict_names_figures_outside_their_tolerance():
    assert verdict(TABLE) == "1 of 2 figures with a tolerance are NOT within it: a round (+25.0 %)."
    met = replace(TABLE, lines=TABLE.lines[1:])
    assert verdict(met) == "All 1 figures with a tolerance are within it."
    free = replace(TABLE, lines=(replace(LINE, within=None),))
    assert verdict(free) == "No figure of this table has a tolerance."


def test_tables_are_printed_and_written(tmp_path):
    console = Console(width=120, record=True)
    print_reproduced(TABLE, console)
    text = console.export_text()
    for words in (
        "Some table",
        "2.000 s",
        "+25.0 %",
        "10 %, missed",
        "Fitted: a speed",
        "A remark.",
    ):
        assert words in text
    write_csv(TABLE, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["published"] == "2.0"
    assert float(first["deviation"]) == 0.25
    assert (first["holds"], second["holds"]) == ("False", "True")
    assert (first["source"], first["note"]) == ("a log", "a note")
    page = markdown(TABLE)
    assert "| a round | 2.000 s | predicted | 2.500 s | +25.0 % | 10 %, missed |" in page
    assert "- a log" in page
    write_map([point(20, 2.8)], tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()[
        1
    ] == "pi,10,25,1,20,2.8,40,5.6"


def test_kendalls_tau_counts_pairs_in_order():
    lines = [replace(LINE, published=p, simulated=s) for p, s in ((1, 10), (2, 20), (3, 15))]
    assert kendall_tau(lines) == pytest.approx(1 / 3)
    assert kendall_tau(lines[:1]) is None
    tables = [Table("t", "T", (*lines, replace(LINE, unit="x"), replace(LINE, kind="fitted")))]
    assert len(timed(tables)) == 4
    assert len(timed(tables, only_predicted=True)) == 3

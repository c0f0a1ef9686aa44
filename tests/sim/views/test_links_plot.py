"""Links over virtual time: areas are what was carried, and the picture shows the busiest."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import DOWN_RATE, SHARED_RATE, UP_RATE, method, run_of, saved
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.network.observers import LoadSeries
from cutlayer.sim.results.utilisation import (
    Steps,
    access_steps,
    load_steps,
    shared_steps,
    utilisation_rows,
)
from cutlayer.sim.views.links import strips
from cutlayer.sim.views.plots import figures

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.floats(0, 1e6)), max_size=30)


@given(spans=SPANS, count=st.integers(1, 50))
def test_sums_hold_at_every_moment_and_thinning_keeps_the_area(spans, count):
    starts, ends = [s for s, _, _ in spans], [s + length for s, length, _ in spans]
    steps = Steps.sum_of(starts, ends, [v for *_, v in spans], 60.0)
    assert (steps.times[0], steps.times[-1]) == (0, 60)
    largest = max((v for *_, v in spans), default=0.0)
    for moment in range(60):
        held = sum(v for s, length, v in spans if s <= moment < s + length)
        at = int(np.searchsorted(steps.times, moment, side="right")) - 1
        assert steps.values[at] == pytest.approx(held, abs=1e-8 * largest)
    thin = steps.thinned(count)
    assert len(thin.values) <= max(count, 1)
    assert thin.integral == pytest.approx(steps.integral, abs=1e-9 * (1 + steps.integral))


def test_a_load_begins_when_it_is_known_and_is_cut_at_the_end():
    series = LoadSeries(np.array([1.0, 3.0, 9.0]), np.array([5.0, 2.0, 7.0]), np.full(3, 10.0))
    steps = load_steps(series, 6.0)
    assert steps.times.tolist() == [0, 1, 3, 6]
    assert steps.values.tolist() == [0, 5, 2]
    outage = LoadSeries(series.times, series.load, np.array([10.0, 0.0, 10.0]))
    assert shared_steps(outage, 6.0).values.tolist() == [0, 0.5, 0]


def test_areas_within_a_round_are_the_bytes():
    result = method("splitfed", rounds=1, clients=3, batches=4)
    kept = result.kept[0]
    rates = {
        f"pi-{i}.{direction}": rate
        for i in (1, 2, 3)
        for direction, rate in (("up", UP_RATE), ("down", DOWN_RATE))
    }
    up = access_steps(kept, "access links, up", rates)
    down = access_steps(kept, "access links, down", rates)
    assert up.integral * 3 * UP_RATE == pytest.approx(kept.record.wire_up.sum())
    assert down.integral * 3 * DOWN_RATE == pytest.approx(kept.record.wire_down.sum())
    both = load_steps(kept.record.loads["cell"], kept.record.duration_s)
    assert both.integral == pytest.approx(kept.record.intervals.wire_bytes.sum())
    # All three send at first, each at half of what its link gives.
    assert up.values[np.searchsorted(up.times, 1.5) - 1] == pytest.approx(0.5)
    assert access_steps(kept, "access links", rates).integral == 0


def area(rows, link, detail):
    found = [row for row in rows if row["link"] == link and row["detail"] == detail]
    return sum(row["utilisation"] * (row["end_s"] - row["start_s"]) for row in found)


def test_over_the_run_a_rounds_use_holds_while_it_lasts():
    result = method("ecofed", rounds=4, round_types=("upload", "replay"))
    result.rounds[3] = replace(result.rounds[3], utilisation={})
    rows = utilisation_rows(result)
    carried = sum(r.wire_up + r.wire_down for r in result.rounds[:3])
    assert area(rows, "cell", 0) == pytest.approx(carried / SHARED_RATE)
    inside = result.kept[0].record.intervals.wire_bytes.sum()
    assert area(rows, "cell", 1) == pytest.approx(inside / SHARED_RATE)


def test_the_busiest_links_have_strips(tmp_path):
    result = method("splitfed", rounds=1)
    used = {f"edge-{i}.up": i / 40 for i in range(30)}
    result.rounds[0] = replace(result.rounds[0], utilisation=used)
    ((over, within),) = strips(*saved(tmp_path, run_of(result)))
    assert [s.name for s in over.series] == [f"edge-{i}.up" for i in (29, 28, 27, 26, 25, 24)]
    assert all(len(series.y) == 0 for series in within.series)  # nothing is known of the round


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_picture_of_one_method_or_of_many(count, tmp_path):
    run = run_of(*(method(f"m {i} $\\frac{{", clients=i + 2) for i in range(count)))
    axes = figures(saved(tmp_path, run))["links"].axes
    assert len(axes) == 2 * count
    for axis in axes[::2]:
        names = [tick.get_text() for tick in axis.get_yticklabels()]
        assert set(names) <= {"access links, up", "access links, down", "cell"}
        assert len(names) == min(3, max(2, min(6, 24 // count)))


def test_the_drawn_areas_are_the_shares(tmp_path):
    result = method("splitfed", rounds=2, clients=2)
    axes = figures(saved(tmp_path, run_of(result)))["links"].axes
    shares = result.rounds[0].utilisation
    names = [tick.get_text() for tick in axes[0].get_yticklabels()]
    for axis in axes:
        for row, name in enumerate(names):
            blue = axis.patches[2 * row].get_data()
            heights = (blue.baseline - blue.values) / 0.8
            drawn = (heights * np.diff(blue.edges)).sum() / axis.get_xlim()[1]
            assert drawn == pytest.approx(shares[name])
            digits = 1 if shares[name] < 0.1 else 0
            assert axis.texts[row].get_text() == f"{100 * shares[name]:.{digits}f} %"


def test_a_folder_of_an_earlier_version_has_no_strips(tmp_path):
    (run,) = saved(tmp_path, run_of(method("splitfed")))
    (run.path / "utilisation.csv").unlink()
    text = (run.path / "checksums.sha256").read_text(encoding="utf-8")
    kept = "".join(line for line in text.splitlines(True) if "utilisation" not in line)
    (run.path / "checksums.sha256").write_text(kept, encoding="utf-8")
    assert strips(run) == []
    assert "links" not in figures([run])


def test_nothing_to_draw(tmp_path):
    unused = method("a", rounds=1)
    unused.rounds[0] = replace(unused.rounds[0], utilisation={})
    assert strips(*saved(tmp_path, run_of(unused))) == []

"""Links over virtual time: areas are what was carried, and the picture shows the busiest."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import DOWN_RATE, SHARED_RATE, UP_RATE, method, run_of
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.network.observers import LoadSeries
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.links_plot import MOST, MOST_STRIPS, links_figure, strips
from cutlayer.sim.views.steps import Steps, access_steps, load_steps, run_steps, shared_steps

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


def test_over_the_run_a_rounds_use_holds_while_it_lasts():
    result = method("ecofed", rounds=4, round_types=("upload", "replay"))
    result.rounds[3] = replace(result.rounds[3], utilisation={})
    steps = run_steps(result.rounds, "cell")
    carried = sum(r.wire_up + r.wire_down for r in result.rounds[:3])
    assert steps.integral == pytest.approx(carried / SHARED_RATE)
    waited = [replace(r, virtual_time_s=r.virtual_time_s + 5) for r in result.rounds[:1]]
    assert run_steps(waited, "cell").values[0] == 0


def test_the_busiest_links_have_strips():
    result = method("splitfed", rounds=1)
    used = {f"edge-{i}.up": i / 40 for i in range(30)}
    result.rounds[0] = replace(result.rounds[0], utilisation=used)
    found = strips(result, result.kept[0], 4)
    assert [strip.name for strip in found] == [f"edge-{i}.up" for i in (29, 28, 27, 26)]
    assert all(strip.rnd is None for strip in found)  # nothing was taken down within the round


@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_a_picture_of_one_method_or_of_many(count):
    run = run_of(*(method(f"m {i} $\\frac{{", clients=i + 2) for i in range(count)))
    axes = links_figure(run).axes
    drawn = len(axes) // 2
    assert drawn == count * min(3, max(2, min(MOST, MOST_STRIPS // count)))
    titles = [axis.get_title(loc="left") for axis in axes if axis.get_title(loc="left")]
    assert len(titles) == 2 * count
    names = {axis.get_ylabel() for axis in axes[::2]}
    assert names <= {"access links, up", "access links, down", "cell"}


def test_the_drawn_areas_are_the_shares():
    result = method("splitfed", rounds=2, clients=2)
    axes = links_figure(run_of(result)).axes
    shares = result.rounds[0].utilisation
    for left, right in zip(axes[::2], axes[1::2], strict=True):
        share = shares[left.get_ylabel()]
        for axis in (left, right):
            blue = axis.patches[0].get_data()
            area = (blue.values * np.diff(blue.edges)).sum() / axis.get_xlim()[1]
            assert area == pytest.approx(share)
            assert axis.texts[0].get_text() == f"{100 * share:.{1 if share < 0.1 else 0}f} %"
        full = right.patches[1].get_data().values
        assert set(np.unique(full)) <= {0.0, 1.0}


def test_nothing_to_draw():
    assert links_figure(run_of(MethodResult("a", "a", 0, ()))) is None
    unused = method("a", rounds=1)
    unused.rounds[0] = replace(unused.rounds[0], utilisation={})
    assert links_figure(run_of(unused)) is None

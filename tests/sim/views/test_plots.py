"""The pictures of a run show what its folder says: lengths, means, intervals, lanes."""

import numpy as np
import pytest
from hand_made import DOWN_BYTES, UP_BYTES, method, run_of, saved

from cutlayer.sim.log.intervals import SERVER
from cutlayer.sim.report.interactive import figure_of as interactive
from cutlayer.sim.results.critical_path import NAMES, critical_chain
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.accuracy import accuracy_charts
from cutlayer.sim.views.plots import MOST_CLIENTS, figures, write_plots
from cutlayer.sim.views.rounds import (
    category_charts,
    critical_path_chart,
    idle_chart,
    speedup_charts,
    traffic_chart,
)
from cutlayer.sim.views.timeline import timelines

ENDINGS = ("png", "svg")
PNG = b"\x89PNG\r\n\x1a\n"


def two(seed=0, accuracy=(0.5, 0.7, 0.9), scale=0.01):
    return run_of(
        method("splitfed", clients=10, accuracy=accuracy),
        method(
            "ecofed $\\frac{$", 4, scale=scale, round_types=("upload", "replay"), accuracy=accuracy
        ),
        seed=seed,
    )


def test_files_are_written_and_reproducible(tmp_path):
    runs = saved(tmp_path / "run", two())
    written = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        written.append(write_plots(runs, folder))
    names = [path.name for path in written[0]]
    pictures = [
        f"{name}.{ending}" for name in ("accuracy", "rounds", "links") for ending in ENDINGS
    ]
    assert names == [*pictures, "timeline.png"]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
        assert first.read_bytes().startswith(PNG if first.suffix == ".png" else b"<?xml")


def test_accuracy_has_one_line_per_method_over_virtual_time(tmp_path):
    run = two()
    axes = figures(saved(tmp_path, run))["accuracy"].axes[0]
    lines = axes.get_lines()[: len(run.methods)]
    assert [line.get_label() for line in lines] == list(run.methods)
    for line, result in zip(lines, run.methods.values(), strict=True):
        assert line.get_ydata() == pytest.approx([100 * v for _, v in result.curve])
        times = np.array(line.get_xdata()) / line.get_xdata()[0]
        assert times.tolist() == pytest.approx([t / result.curve[0][0] for t, _ in result.curve])
    assert not axes.collections  # one seed has no band


def test_seeds_become_bands_and_the_common_part_is_drawn(tmp_path):
    longer = run_of(method("splitfed", rounds=5, accuracy=(0.7, 0.9)), seed=1)
    shorter = run_of(method("splitfed", rounds=3, accuracy=(0.5, 0.7)), seed=0)
    runs = saved(tmp_path, shorter, longer)
    axes = figures(runs)["accuracy"].axes[0]
    assert axes.get_lines()[0].get_ydata() == pytest.approx([60, 80, 60])
    assert len(axes.collections) == 1
    (series,) = accuracy_charts(runs)[0].series
    # Student's t with one degree of freedom: 12.7062 times 10 points.
    assert series.half == pytest.approx([127.06] * 3, rel=1e-4)
    assert series.band() == ([0, 0, 0], [100, 100, 100])  # no accuracy is beyond
    edges = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == (0, 100)
    area = interactive(accuracy_charts(runs)[0])["data"][0]
    assert (min(area["y"]), max(area["y"])) == (0, 100)
    assert axes.get_title(loc="left") == "Test accuracy over virtual time"


@pytest.mark.parametrize(("scale", "scaling"), [(0.0001, "log"), (0.5, "linear")])
def test_the_time_axis_is_logarithmic_where_methods_lie_far_apart(scale, scaling, tmp_path):
    run = run_of(method("slow", clients=1, scale=20.0), method("fast", clients=1, scale=scale * 20))
    found = figures(saved(tmp_path, run))
    assert found["accuracy"].axes[0].get_xscale() == scaling
    assert found["rounds"].axes[1].get_xscale() == "linear"  # a stack's colours are lengths


def test_nothing_trained_gives_no_accuracy_picture(tmp_path):
    run = run_of(method("splitfed", accuracy=None))
    found = figures(saved(tmp_path, run))
    assert set(found) == {"rounds", "links", "timeline"}


def test_no_round_gives_no_picture(tmp_path):
    runs = saved(tmp_path, run_of(MethodResult("splitfed", "splitfed", 0, ())))
    assert write_plots(runs, tmp_path) == []


def lengths(chart):
    """The length of each part of each row, in the chart's unit."""
    found = {}
    for series in chart.series:
        for row, value in zip(series.y, series.x, strict=True):
            found.setdefault(row, {})[series.name] = value
    return found


def test_bars_are_means_per_client_and_phases_add_up_to_the_round(tmp_path):
    run = run_of(method("splitfed"), method("ecofed", rounds=4, round_types=("upload", "replay")))
    runs = saved(tmp_path, run)
    traffic = lengths(traffic_chart(runs))
    parts = ["ecofed: upload rounds", "ecofed: replay rounds"]
    assert list(traffic) == ["splitfed", "ecofed", *parts]
    assert traffic["splitfed"]["up"] == pytest.approx(2 * UP_BYTES / 1e6)
    assert traffic["splitfed"]["down"] == pytest.approx(2 * DOWN_BYTES / 1e6)
    assert traffic["ecofed"]["up"] == pytest.approx(1.5 * UP_BYTES / 1e6)
    assert traffic[parts[1]]["up"] == pytest.approx(UP_BYTES / 1e6)
    categories = category_charts(runs)
    assert len({series.number for series in categories[0].series}) == 2  # a colour each
    both, ups, downs = map(lengths, categories)
    activations = {row: {"activations": parts["up"]} for row, parts in traffic.items()}
    gradients = {row: {"gradients": parts["down"]} for row, parts in traffic.items()}
    assert ups == activations
    assert downs == gradients
    assert both == {row: activations[row] | gradients[row] for row in traffic}
    times = lengths(critical_path_chart(runs))
    assert sum(times["splitfed"].values()) == pytest.approx(8.5)
    rounds = run.methods["ecofed"].rounds
    mean = sum(r.round_time_s for r in rounds) / 4
    assert sum(times["ecofed"].values()) == pytest.approx(mean)
    devices = idle_chart(runs).series[0]
    assert devices.x[0] == pytest.approx(100 * (1 - 2 / 8.5))
    assert list(devices.y) == ["splitfed", "ecofed"]  # not the round types


@pytest.mark.parametrize("scale", [0.01, 0.5])
def test_drawn_bars_are_as_long_as_their_totals(scale, tmp_path):
    run = run_of(method("slow", clients=1, scale=10.0), method("fast", clients=1, scale=scale))
    runs = saved(tmp_path, run)
    left, middle, right = figures(runs)["rounds"].axes
    assert [len(group) for group in left.containers] == [2, 2]
    chart = critical_path_chart(runs)
    for row in range(2):
        ends = [group[row].get_x() + group[row].get_width() for group in middle.containers]
        starts = [group[row].get_x() for group in middle.containers]
        assert starts == pytest.approx([0.0, *ends[:-1]])  # stacked without a gap
    for group, series in zip(middle.containers, chart.series, strict=True):
        assert [bar.get_width() for bar in group] == pytest.approx(series.x)
    assert left.get_xscale() == middle.get_xscale() == "linear"
    assert [len(line.get_xdata()) for line in right.get_lines()] == [2, 2]


def test_speedups_are_those_of_the_summary(tmp_path):
    runs = saved(tmp_path, run_of(method("slow"), method("fast", scale=0.5)))
    charts = {chart.choice: chart for chart in speedup_charts(runs)}
    times, traffic = charts["over slow"].series
    assert (times.name, traffic.name) == ("speedup", "traffic reduction")
    against = runs[0].methods["fast"]["against"]["slow"]
    assert (list(times.x), list(times.y)) == (["fast"], [pytest.approx(against["time_x"])])
    assert list(traffic.y) == [pytest.approx(1.0)]


def test_the_timeline_draws_every_interval_of_the_first_clients(tmp_path):
    run = two()
    runs = saved(tmp_path, run)
    figure = figures(runs)["timeline"]
    assert len(figure.axes) == len(run.methods)
    axes, kept = figure.axes[0], run.methods["splitfed"].kept[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["server", *kept.participants[:MOST_CLIENTS]]
    assert "2 more clients are not shown" in axes.get_title(loc="left")
    log = kept.record.intervals
    client = [p if a == SERVER else a for a, p in zip(log.actor, log.peer, strict=True)]
    on_server = sum(phase in (2, 3) for phase in log.phase)
    of_clients = sum(
        phase not in (2, 3) and member < MOST_CLIENTS
        for phase, member in zip(log.phase, client, strict=True)
    )
    chart = timelines(runs[0], 1, MOST_CLIENTS)[0]
    drawn = sum(len(series.x) for series in chart.series if series.name)
    assert drawn == len(axes.patches)
    assert on_server <= drawn
    assert drawn == of_clients + sum(
        phase in (2, 3) and (member < MOST_CLIENTS or member == SERVER)
        for phase, member in zip(log.phase, client, strict=True)
    )


def test_a_click_on_an_interval_tells_its_times_its_cause_and_whether_it_decides(tmp_path):
    (run,) = saved(tmp_path, run_of(method("splitfed")))
    chart = timelines(run)[0]
    details = {
        series.name: list(zip(series.details, series.base, series.x, strict=True))
        for series in chart.series
        if series.name
    }
    path = critical_chain(run, "splitfed", 0)
    for name, intervals in details.items():
        decisive = sum("\non the critical path" in text for text, _, _ in intervals)
        assert decisive == sum(link.count for link in path if NAMES[link.phase] == name)
    text, start, length = details["uplink"][0]
    lines = text.splitlines()
    assert lines[0] == "uplink of pi-1: activation"
    assert lines[1] == f"from {start:g} s to {start + length:g} s"
    assert lines[2] == f"took {length:g} s, {length / 8.5:.2%} of the round"
    assert lines[4] == f"began after device compute of pi-1: forward, which ended at {start:g} s"


def test_timeline_axes_are_shared_unless_methods_lie_far_apart(tmp_path):
    near = figures(saved(tmp_path / "near", run_of(method("a"), method("b", scale=0.5))))
    axes = near["timeline"].axes
    assert axes[0].get_xlim() == axes[1].get_xlim()
    both = run_of(method("a", scale=100.0), method("b", scale=0.1))
    far = figures(saved(tmp_path / "far", both))["timeline"].axes
    assert far[0].get_xlim() != far[1].get_xlim()

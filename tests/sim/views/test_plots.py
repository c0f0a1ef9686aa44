import pytest
from hand_made import DOWN_BYTES, UP_BYTES, method, run_of

from cutlayer.sim.log.intervals import PHASES, SERVER
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.accuracy_plot import accuracy_figure
from cutlayer.sim.views.gantt import MOST_CLIENTS, timeline_figure, write_timeline
from cutlayer.sim.views.plots import write_plots
from cutlayer.sim.views.rounds_plot import bars, rounds_figure

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
    written = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        written.append(write_plots(two(), folder) + write_timeline(two(), folder))
    names = [path.name for path in written[0]]
    pictures = [
        f"{name}.{ending}" for name in ("accuracy", "rounds", "links") for ending in ENDINGS
    ]
    assert names == [*pictures, "timeline.png"]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
        assert first.read_bytes().startswith(PNG if first.suffix == ".png" else b"<?xml")


def test_accuracy_has_one_line_per_method_over_virtual_time():
    run = two()
    axes = accuracy_figure([run]).axes[0]
    assert [line.get_label() for line in axes.get_lines()] == list(run.methods)
    for line, result in zip(axes.get_lines(), run.methods.values(), strict=True):
        assert line.get_ydata().tolist() == pytest.approx([100 * v for _, v in result.curve])
        times = line.get_xdata() / line.get_xdata()[0]
        assert times.tolist() == pytest.approx([t / result.curve[0][0] for t, _ in result.curve])
    assert not axes.collections  # one seed has no band


def test_seeds_become_bands_and_the_common_part_is_drawn():
    longer = run_of(method("splitfed", rounds=5, accuracy=(0.7, 0.9)), seed=1)
    shorter = run_of(method("splitfed", rounds=3, accuracy=(0.5, 0.7)), seed=0)
    axes = accuracy_figure([shorter, longer]).axes[0]
    (line,) = axes.get_lines()
    assert line.get_ydata().tolist() == pytest.approx([60, 80, 60])
    assert len(axes.collections) == 1


@pytest.mark.parametrize(("scale", "scaling"), [(0.0001, "log"), (0.5, "linear")])
def test_the_time_axis_is_logarithmic_where_methods_lie_far_apart(scale, scaling):
    run = run_of(method("slow", clients=1, scale=20.0), method("fast", clients=1, scale=scale * 20))
    assert accuracy_figure([run]).axes[0].get_xscale() == scaling
    assert rounds_figure([run]).axes[1].get_xscale() == "linear"  # a stack's colours are lengths


def test_nothing_trained_gives_no_accuracy_picture(tmp_path):
    run = run_of(method("splitfed", accuracy=None))
    assert {path.stem for path in write_plots(run, tmp_path)} == {"rounds", "links"}


def test_no_round_gives_no_picture(tmp_path):
    run = run_of(MethodResult("splitfed", "splitfed", 0, ()))
    assert write_plots(run, tmp_path) == []
    assert write_timeline(run, tmp_path) == []


def test_bars_are_means_per_client_and_phases_add_up_to_the_round():
    run = run_of(method("splitfed"), method("ecofed", rounds=4, round_types=("upload", "replay")))
    found = {bar.label: bar for bar in bars([run])}
    assert list(found) == ["splitfed", "ecofed", "upload rounds", "replay rounds"]
    assert found["splitfed"].wire_bytes == (2 * UP_BYTES, 2 * DOWN_BYTES)
    assert found["ecofed"].wire_bytes == (1.5 * UP_BYTES, 1.5 * DOWN_BYTES)
    assert found["replay rounds"].wire_bytes == (UP_BYTES, DOWN_BYTES)
    assert sum(found["splitfed"].phase_s) == pytest.approx(8.5)
    rounds = run.methods["ecofed"].rounds
    assert sum(found["ecofed"].phase_s) == pytest.approx(sum(r.round_time_s for r in rounds) / 4)
    assert found["splitfed"].clients_idle == pytest.approx(1 - 2 / 8.5)
    assert found["upload rounds"].clients_idle is None


@pytest.mark.parametrize("scale", [0.01, 0.5])
def test_drawn_bars_are_as_long_as_their_totals(scale):
    run = run_of(method("slow", clients=1, scale=10.0), method("fast", clients=1, scale=scale))
    left, middle, right = rounds_figure([run]).axes
    assert [len(group) for group in left.containers] == [2, 2]
    assert [len(group) for group in middle.containers] == [2] * (
        len(PHASES) - 1
    )  # nobody is offline
    expected = [bar.phase_s for bar in bars([run])]
    for row, phases in enumerate(expected):
        ends = [group[row].get_x() + group[row].get_width() for group in middle.containers]
        starts = [group[row].get_x() for group in middle.containers]
        assert starts[1:] == pytest.approx(ends[:-1])  # stacked without a gap
        factor = ends[-1] / sum(phases)
        assert factor in (pytest.approx(1.0), pytest.approx(1e3), pytest.approx(1 / 60))
        widths = [group[row].get_width() / factor for group in middle.containers]
        assert widths == pytest.approx(phases[: len(widths)])  # a colour is as long as its part
    assert left.get_xscale() == middle.get_xscale() == "linear"
    marks = [line.get_xdata() for line in right.get_lines()]
    assert [len(mark) for mark in marks] == [2, 2]
    assert marks[0][0] == pytest.approx(100 * bars([run])[0].clients_idle)


def test_the_timeline_draws_every_interval_of_the_first_clients():
    run = two()
    figure = timeline_figure(run)
    assert len(figure.axes) == len(run.methods)
    axes, kept = figure.axes[0], run.methods["splitfed"].kept[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["server", *kept.participants[:MOST_CLIENTS]]
    assert "2 more clients are not drawn" in axes.get_title(loc="left")
    log = kept.record.intervals
    client = [p if a == SERVER else a for a, p in zip(log.actor, log.peer, strict=True)]
    on_server = sum(phase in (2, 3) for phase in log.phase)
    of_clients = sum(
        phase not in (2, 3) and member < MOST_CLIENTS
        for phase, member in zip(log.phase, client, strict=True)
    )
    assert sum(len(c.get_paths()) for c in axes.collections) == on_server + of_clients


def test_timeline_axes_are_shared_unless_methods_lie_far_apart():
    near = timeline_figure(run_of(method("a"), method("b", scale=0.5)))
    assert near.axes[0].get_xlim() == near.axes[1].get_xlim()
    far = timeline_figure(run_of(method("a", scale=100.0), method("b", scale=0.1)))
    assert far.axes[0].get_xlim() != far.axes[1].get_xlim()
    assert "own" in far.get_suptitle()

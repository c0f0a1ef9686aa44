import io
import re

import pytest
from hand_made import DOWN_BYTES, UP_BYTES, method, run_of
from rich.console import Console

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.views.table import print_table

LABELS = ("classic_fl", "splitfed", "local_loss", "fedgkt", "ecofed, random frozen block")


def printed(result, width=80, encoding="utf-8"):
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, write_through=True)
    print_table(result, Console(file=file, width=width))
    return buffer.getvalue().decode(encoding)


def rows(text, label):
    """Return the cells of a method's rows, one list per table."""
    found = [
        line
        for line in text.partition("Bottleneck links")[0].splitlines()
        if re.match(rf"{re.escape(label)}( \*)? ", line)
    ]
    return [re.split(r"\s{2,}", line.strip())[1:] for line in found]


def five(seed=0, stretch=1.0, **options):
    return run_of(
        *(method(label, scale=stretch * (5 - i), **options) for i, label in enumerate(LABELS)),
        seed=seed,
    )


@pytest.mark.parametrize("width", [80, 120])
def test_names_are_whole_and_lines_fit(width):
    text = printed(five(targets=(0.8,)), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for label in LABELS:
        assert len(rows(text, label)) >= 3  # at least one table of its own figures, two comparisons
    assert "…" not in text
    assert "\x1b" not in text  # a file is no terminal: no colours


def test_the_figures_are_those_of_the_record():
    result = method("splitfed", rounds=3, clients=2, batches=2)
    text = printed(run_of(result, name="by-hand"), 200)
    duration = result.kept[0].record.duration_s
    assert duration == pytest.approx(8.5)  # two batches, the second client served last
    (cells,) = rows(text, "splitfed")
    per_client = 2 * (UP_BYTES + DOWN_BYTES) / 1e6
    idle = 1 - 2.0 / 8.5  # each client computes 2 s, the server too
    assert cells == [
        "25.5",
        "8.50",
        f"{sum(result.kept[0].record.additive_s.values()):.2f}",
        f"{per_client:.3f}",
        "90.0",
        "3",
        "30.0",
        f"{100 * idle:.1f}",
        f"{100 * idle:.1f}",
    ]
    assert "by-hand, seed 0" in text
    assert "simulated" in text


def test_comparisons_are_ratios_per_round():
    slow, fast = method("slow", rounds=4, batches=2), method("fast", rounds=2, batches=1)
    text = printed(run_of(slow, fast), 200)
    ratio = 8.5 / fast.kept[0].record.duration_s
    _, time, traffic = rows(text, "fast")
    assert time == [f"{ratio:.2f}", "-"]
    assert traffic == ["2.00", "-"]
    assert rows(text, "slow")[2] == ["-", "0.500"]


def test_a_single_method_is_compared_with_nothing():
    assert "Speedup" not in printed(run_of(method("alone")))


def test_what_was_not_trained_is_said_to_be_so():
    text = printed(run_of(method("splitfed", accuracy=None, targets=(0.9,))), 200)
    assert "Nothing was trained" in text
    assert "accuracy" not in text
    mixed = run_of(method("splitfed", accuracy=None, targets=(0.9,)), method("ecofed"))
    assert rows(printed(mixed, 200), "splitfed")[0][4:6] == ["not trained", "not reached"]
    assert " 0.0 " not in text


def test_time_to_a_target():
    text = printed(run_of(method("splitfed", targets=(0.7,))), 200)
    assert "70%" in text
    assert rows(text, "splitfed")[0][5] == "17.0"  # the second round closes after 2 x 8.5 s


def test_coarse_costs_are_marked_and_named():
    rough = method("rough", coarse=("toy: one speed for every operation",))
    text = " ".join(printed(run_of(rough, method("fine"))).split())
    assert "rough *" in text
    assert "fine *" not in text
    assert "* The times of rough rest on coarse or guessed figures: toy: one speed" in text
    assert "*" not in printed(run_of(method("fine")))
    everything = " ".join(printed(run_of(rough, method("other", coarse=rough.coarse))).split())
    assert "*" not in everything  # what holds for every row is said once
    assert "The times rest on coarse or guessed figures: toy: one speed" in everything


def test_several_seeds_give_a_mean_and_an_interval():
    runs = [
        run_of(method("splitfed", accuracy=(a,), seed=s), seed=s) for s, a in enumerate((0.6, 0.8))
    ]
    text = printed(runs, 200)
    # Half width: 12.7062 (t, 1 degree of freedom) x 0.1 = 127 points.
    assert rows(text, "splitfed")[0][4] == "70 ± 127"
    assert rows(text, "splitfed")[0][1] == "8.50"  # the same in both
    assert "seeds 0, 1" in text
    assert "2 seeds with 95 % t-intervals" in text


def test_a_terminal_without_unicode_is_served():
    runs = [run_of(method("splitfed", accuracy=(a,)), seed=s) for s, a in enumerate((0.6, 0.8))]
    assert "70 +/- 127" in printed(runs, 100, "ascii")


def test_labels_are_not_read_as_markup_and_long_ones_are_folded():
    long = "x" * 100
    text = printed(run_of(method("ecofed [bold]"), method(long)))
    assert "ecofed [bold]" in text
    assert text.count("x" * 20) >= 3
    assert max(len(line) for line in text.splitlines()) <= 80


def test_runs_without_a_round():
    stopped = run_of(MethodResult("splitfed", "splitfed", 0, ()))
    stopped.status = "stopped"
    assert "nothing to compare" in printed(stopped)
    with pytest.raises(ValueError, match="the list of results is empty"):
        printed([])


def test_a_diverged_training_is_named():
    broken = method("broken")
    broken.diverged_in_round = 2
    text = " ".join(printed(run_of(broken, method("fine"))).split())
    assert "broken diverged: its weights were no longer finite in round 3" in text
    assert "fine diverged" not in text
    assert (
        "round 3, so its accuracy is meaningless. A lower training.optimizer.lr may help." in text
    )
    prices = run_of(broken)
    prices.scenario["task"] = {"regression": {"metrics": ["mae"]}}
    text = " ".join(printed(prices).split())
    assert "lr, or task.regression.standardise: true, may help." in text
    prices.scenario["task"] = {"regression": {"metrics": ["mae"], "standardise": True}}
    assert "standardise" not in printed(prices)

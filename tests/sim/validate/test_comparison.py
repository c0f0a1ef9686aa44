"""Validation on a synthetic testbed: its measured times are those of the simulator, or wrong on purpose.

The figures come from the results of a run, which sums them up in another way than the validation.
"""

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from small_scenarios import read
from testbed import LABELS, SCENARIO, compared, mean_rounds, of_rounds, ran, write

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.run.play import play
from cutlayer.sim.uncertainty.draw import drawn_topology
from cutlayer.sim.uncertainty.factors import Factors
from cutlayer.sim.validate.comparison import Comparison
from cutlayer.sim.validate.validate import validate

ADDITIVE = (
    *("weights_down", "activations_up", "gradients_down", "weights_up"),
    *("device_compute", "server_compute"),
)


def errors(comparison: Comparison) -> list[float]:
    return [one.line.deviation for one in comparison.compared]


def said(comparison: Comparison) -> str:
    return " ".join(comparison.verdict())


def test_a_testbed_like_the_simulation_has_no_errors(tmp_path: Path) -> None:
    comparison = of_rounds(tmp_path, mean_rounds())
    assert errors(comparison) == pytest.approx([0.0] * len(LABELS), abs=1e-12)
    (score,) = comparison.scores()
    assert (score.what, score.rows) == ("round", len(LABELS))
    assert (score.mean_absolute, score.median_absolute, score.mean) == pytest.approx(
        (0, 0, 0), abs=1e-12
    )
    assert score.tau == pytest.approx(1.0)
    speedups = comparison.speedups
    assert len(speedups) == 6
    for line in speedups:
        assert line.published == pytest.approx(line.simulated)
        assert line.published >= 1
    assert "off by 0.0 % on average" in said(comparison)
    assert "The methods are in the measured order" in said(comparison)


def test_methods_in_the_reverse_order_have_a_tau_of_minus_one(tmp_path: Path) -> None:
    times = mean_rounds()
    order = sorted(times, key=times.__getitem__)
    comparison = of_rounds(tmp_path, dict(zip(order, sorted(times.values())[::-1], strict=True)))
    (score,) = comparison.scores()
    assert score.tau == pytest.approx(-1.0)
    assert all(line.published > 1 > line.simulated for line in comparison.speedups)
    assert "6 of 6 pairs of methods are in the WRONG order" in said(comparison)
    # The fastest in the simulation was measured as the slowest.
    assert f"{order[1]} before {order[0]}" in said(comparison)


def test_speedups_divide_the_slower_by_the_faster_method(tmp_path: Path) -> None:
    comparison = of_rounds(tmp_path, {"splitfed": 2.0, "classic_fl": 6.0})
    (line,) = comparison.speedups
    times = mean_rounds()
    assert (line.quantity, line.published) == ("classic_fl / splitfed", 3.0)
    assert line.simulated == pytest.approx(times["classic_fl"] / times["splitfed"])


def test_rounds_and_their_types(tmp_path: Path) -> None:
    rounds = ran()[1]["ecofed"].rounds
    rows = [("ecofed", r.index, "", r.round_time_s) for r in rounds]
    for kind in ("upload", "replay"):
        mean = fmean(r.round_time_s for r in rounds if r.round_type == kind)
        rows.append(("ecofed", "", kind, mean))
    rows.append(("ecofed", 1, "replay", rounds[1].round_time_s))
    found = compared(tmp_path, "method,round,round_type,seconds", rows)
    assert errors(found) == pytest.approx([0.0] * len(rows))
    names = [one.line.quantity for one in found.compared]
    assert names[0] == "ecofed, round 0"
    assert names[-3:] == ["ecofed, upload round", "ecofed, replay round", "ecofed, replay round 1"]


def test_phases_are_seconds_of_a_client_on_average(tmp_path: Path) -> None:
    rows = []
    for label, result in ran()[1].items():
        for term in ADDITIVE:
            mean = fmean(r.additive_s[term] for r in result.rounds)
            if mean:
                rows.append((label, term, mean))
        waits = fmean(r.server_wait_s / r.clients for r in result.rounds)
        if waits:
            rows.append((label, "server wait", waits))
        rows.append((label, "barrier", fmean(r.barrier_s for r in result.rounds)))
    found = compared(tmp_path, "method,what,seconds", rows)
    assert {"server_queue", "barrier", *ADDITIVE} == {one.row.what for one in found.compared}
    assert errors(found) == pytest.approx([0.0] * len(rows), abs=1e-12)


def test_parts_of_computing_and_sending_add_up(tmp_path: Path) -> None:
    def seconds(method: str, *whats: str) -> float:
        rows = [(method, what, 1) for what in whats]
        found = compared(tmp_path, "method,what,seconds", rows)
        return sum(one.line.simulated for one in found.compared)

    steps = {
        "classic_fl": ("train",),
        "splitfed": ("forward", "backward"),
        "ecofed": ("forward",),
        "fedgkt": ("train", "forward"),
    }
    for method in LABELS:
        on_device = seconds(method, "load", *steps[method])
        assert on_device == pytest.approx(seconds(method, "compute"))
        assert seconds(method, "weights_up", "activations_up") == pytest.approx(
            seconds(method, "upload")
        )
        assert seconds(method, "weights-down", "gradients_down") == pytest.approx(
            seconds(method, "download")
        )
        assert seconds(method, "server service") == seconds(method, "server_compute")


def test_a_client_is_compared_over_the_rounds_in_which_it_takes_part(tmp_path: Path) -> None:
    result = ran()[1]["splitfed"]
    rows = [
        ("splitfed", client, "compute", use.compute_s / use.rounds)
        for client, use in result.devices.items()
    ]
    last = result.rounds[2]
    rows.append(("splitfed", last.straggler, "round", last.round_time_s))
    found = compared(
        tmp_path,
        "method,client,what,seconds,round",
        [(*row, "") for row in rows[:-1]] + [(*rows[-1], 2)],
    )
    assert errors(found) == pytest.approx([0.0] * len(rows))
    assert found.compared[-1].line.quantity == f"splitfed, round 2, {last.straggler}"


def test_an_iteration_is_a_share_of_the_clients_round(tmp_path: Path) -> None:
    client = next(iter(ran()[1]["splitfed"].devices))
    rows = [("splitfed", client, what, 1) for what in ("round", "iteration")]
    whole, one = compared(tmp_path, "method,client,what,seconds", rows).compared
    # 13, 20 or 30 samples in batches of 10; the first device that took part has 20.
    assert client == "raspberry-pi-4b-0"
    assert whole.line.simulated / one.line.simulated == pytest.approx(2)


def test_one_slow_phase_shows_in_that_phase_only(tmp_path: Path) -> None:
    terms = ran()[1]["splitfed"].rounds
    rows = []
    for term in ADDITIVE:
        mean = fmean(r.additive_s[term] for r in terms)
        rows.append(("splitfed", term, mean * (2 if term == "activations_up" else 1)))
    comparison = compared(tmp_path, "method,what,seconds", rows)
    off = {score.what: score.mean for score in comparison.scores()}
    assert off.pop("activations_up") == pytest.approx(-0.5)
    assert list(off.values()) == pytest.approx([0.0] * 5, abs=1e-12)
    assert "The part of a round with the largest error is activations up: 50.0 %" in said(
        comparison
    )


def test_traffic_is_that_of_a_round(tmp_path: Path) -> None:
    result = ran()[1]["ecofed"]
    mean = result.wire_bytes / len(result.rounds)
    first = result.rounds[0].wire_up + result.rounds[0].wire_down
    rows = [("ecofed", "", "", mean / 2**20, ""), ("ecofed", 0, 7, "", first)]
    found = compared(tmp_path, "method,round,seconds,mib,bytes", rows)
    traffic = [one.line for one in found.compared if one.line.unit == "MiB"]
    assert [line.deviation for line in traffic] == pytest.approx([0.0, 0.0])
    assert [line.quantity for line in traffic] == [
        *("ecofed, bytes of a round", "ecofed, bytes of round 0"),
    ]
    assert len(found.compared) == 3
    assert [score.what for score in found.scores()] == ["round", "traffic"]


def test_fitted_rows_are_shown_and_not_counted(tmp_path: Path) -> None:
    times = mean_rounds()
    rows = [(label, times[label] * 2, "fitted") for label in LABELS[1:]]
    comparison = compared(
        tmp_path, "method,seconds,kind", [(LABELS[0], times[LABELS[0]], ""), *rows]
    )
    (score,) = comparison.scores()
    assert (score.rows, score.mean_absolute, score.tau) == (1, 0.0, None)
    assert [line.kind for line in comparison.speedups].count("fitted") == 3
    assert "The only time that was not fitted is off by +0.0 %" in said(comparison)
    nothing = compared(tmp_path, "method,seconds,kind", rows)
    assert nothing.scores() == []
    assert said(nothing).startswith("Every time was fitted")


def test_a_spread_gives_the_standard_error_of_the_mean(tmp_path: Path) -> None:
    rows = [("splitfed", 10.0, 4, 2.0), ("splitfed", 10.0, "", "")]
    first, second = compared(tmp_path, "method,seconds,count,spread", rows).compared
    assert first.noise == pytest.approx(0.1)
    assert second.noise is None


def test_equal_times_have_no_order(tmp_path: Path) -> None:
    rows = [("splitfed", 2.0), ("splitfed", 2.0), ("classic_fl", 2.0)]
    (score,) = compared(tmp_path, "method,seconds", rows).scores()
    assert score.tau is None


def test_repeats_of_a_row_count_once_in_a_speedup(tmp_path: Path) -> None:
    rows = [("splitfed", 2.0), ("splitfed", 4.0), ("classic_fl", 6.0)]
    (line,) = compared(tmp_path, "method,seconds", rows).speedups
    assert line.published == 2.0


def test_draws_give_intervals_that_hold_what_was_drawn(tmp_path: Path) -> None:
    """The testbed is the first draw but for noise: its times lie inside; ten times as much does not."""
    loaded = read(SCENARIO, "uncertainty={draws: 30, interval: 0.8, seed: 5}")
    plan = plan_checked(loaded, trains=False)[0]
    times = mean_rounds()
    rows = [(label, times[label], "round") for label in LABELS]
    rows += [("splitfed", 10 * times["splitfed"], "round"), ("splitfed", 1.0, "compute")]
    comparison = validate(write(tmp_path, "method,seconds,what", rows), loaded)
    assert comparison.level == 0.8
    assert [one.line.inside for one in comparison.compared[:5]] == [True] * 4 + [False]
    # The interval of a round is that of the draws that a run with the same seed makes.
    drawn = []
    factors = Factors.of(plan)
    for number in range(30):
        topology = drawn_topology(plan.topology, factors.draw(5, number))
        result = play(replace(plan, topology=topology), plan.scenario.methods[1])
        drawn.append(result.mean_of(lambda r: r.round_time_s))
    assert comparison.compared[1].line.interval == pytest.approx(
        tuple(np.quantile(drawn, [0.1, 0.9]))
    )
    low, high = comparison.compared[-1].line.interval
    assert 0 < low < comparison.compared[-1].line.simulated < high
    # Speedups are paired: both methods have the draw's figures.
    (pair,) = (one for one in comparison.speedups if one.quantity == "splitfed / ecofed")
    assert pair.interval[0] < pair.simulated < pair.interval[1]
    assert "4 of 6 measured times lie inside the 80 % interval of the prediction." in said(
        comparison
    )


def test_traffic_and_exact_figures_have_no_interval(tmp_path: Path) -> None:
    loaded = read(SCENARIO, "uncertainty.draws=5")
    rows = [("ecofed", "", 2)]
    (one,) = validate(write(tmp_path, "method,seconds,mib", rows), loaded).compared
    assert (one.line.interval, one.line.inside) == (None, None)

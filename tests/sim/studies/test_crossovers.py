"""Crossovers found by bisection, compared with a closed form and with a dense sweep."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from small_studies import SCENARIO, UP, small_study

from cutlayer.sim.studies.sweep import sweep

ONE = (
    SCENARIO.replace("count: 3", "count: 1")
    .replace("sizes: 20", "sizes: 100")
    .replace("clients_per_round: 2", "clients_per_round: 1")
)
BITS = 125_000.0  # bytes/s of a Mbit/s


def axis(**values: Any) -> list[dict[str, Any]]:
    return [{"name": "up", "field": UP} | values]


def study(folder: Path, methods: list[Any], axes: list[dict[str, Any]], tolerance: float) -> Any:
    asked = {"axis": "up", "tolerance": tolerance}
    return small_study(folder, ONE, set={"methods": methods}, axes=axes, crossovers=asked)


def test_the_closed_form_of_bytes_over_bandwidth_and_compute(tmp_path: Path) -> None:
    """With one client, time = c + upload / rate, so that two methods cross once."""
    methods = ["classic_fl", "local_loss"]
    ends = axis(values=["0.2 Mbit/s", "200 Mbit/s"])
    swept = sweep(study(tmp_path, methods, ends, 1e-4), executor="none")
    low, high = 0.2 * BITS, 200 * BITS
    constants, uploads = [], []
    for label in methods:
        slow, fast = swept.at(0, label), swept.at(1, label)
        assert slow is not None
        assert fast is not None
        upload = float(sum(r.wire_up for r in slow.rounds))
        constants.append(slow.virtual_time_s - upload / low)
        uploads.append(upload)
        assert constants[-1] == pytest.approx(fast.virtual_time_s - upload / high, rel=1e-9)
    exact = (uploads[1] - uploads[0]) / (constants[0] - constants[1])
    assert low < exact < high, "the test's scenario has no crossover"
    (row,) = swept.decisions["crossovers"]
    assert row["value_si"] == pytest.approx(exact, rel=1e-4)
    assert float(row["low"]) <= exact <= float(row["high"])


def test_a_dense_sweep_agrees(tmp_path: Path) -> None:
    """It looks over the whole axis, and from both sides at what bisection found."""
    methods = ["classic_fl", "splitfed", "local_loss", {"ecofed": {"init": "random"}}]
    few = axis(log_range={"from": "0.2 Mbit/s", "to": "200 Mbit/s", "count": 4})
    bisected = sweep(study(tmp_path, methods, few, 0.005), executor="none")
    found = [row for row in bisected.decisions["crossovers"] if row["value_si"] is not None]
    assert len(found) >= 2
    rates = {0.2 * 1000 ** (n / 19) for n in range(20)}
    for row in found:
        rates |= {float(row["value_si"]) / BITS * side for side in (0.99, 1.01)}
    dense = axis(values=[f"{rate:.6g} Mbit/s" for rate in sorted(rates)])
    swept = sweep(study(tmp_path, methods, dense, 0.2), executor="none")
    for row in found:
        pair = str(row["first"]), str(row["second"])
        assert float(row["high"]) - float(row["low"]) <= 0.005 * float(row["high"])
        signs = []
        for point in swept.study.points:
            one, other = (swept.at(point.number, label) for label in pair)
            assert one is not None
            assert other is not None
            signs.append((point.steps["up"].number, one.virtual_time_s < other.virtual_time_s))
        changes = [
            (low, high)
            for (low, before), (high, after) in itertools.pairwise(signs)
            if before != after
        ]
        ((low, high),) = changes
        assert low * 0.995 <= float(row["value_si"]) <= high * 1.005
        assert high <= low * 1.03


def test_a_method_that_is_never_overtaken_is_reported(tmp_path: Path) -> None:
    methods = ["splitfed", {"ecofed": {"init": "random"}}]
    swept = sweep(
        study(tmp_path, methods, axis(values=["1 Mbit/s", "9 Mbit/s"]), 0.01), executor="none"
    )
    (row,) = swept.decisions["crossovers"]
    assert row["better"] == "ecofed throughout"
    assert row["value_si"] is None


def test_crossovers_of_a_time_to_accuracy_need_no_new_training(tmp_path: Path) -> None:
    asked = {"axis": "up", "by": "time_to_target", "target": 0.05, "tolerance": 0.01}
    methods = ["classic_fl", "local_loss"]
    ends = axis(values=["0.2 Mbit/s", "200 Mbit/s"])
    given = small_study(tmp_path, ONE, set={"methods": methods}, axes=ends, crossovers=asked)
    swept = sweep(given)
    assert swept.new["trainings"] == 2
    assert swept.new["clock runs"] > 10

"""Too large studies are refused with their count; large ones are laid out quickly."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_studies import UP, small_study, study_file

from cutlayer.scenarios import ScenarioError
from cutlayer.scenarios.study import Study
from cutlayer.scenarios.study.points import points_of, steps_of
from cutlayer.scenarios.study.values import between, unit_and_number
from cutlayer.sim.studies.check import check_points
from cutlayer.sim.studies.decisions.pareto import non_dominated
from cutlayer.sim.studies.sweep import load_study

SEEDS = {"name": "x", "field": "seed"}
ROUNDS = {"name": "y", "field": "training.rounds"}
BATCHES = {"name": "z", "field": "training.batch_size"}


def counted(axis: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    return axis | {"range": {"from": first, "to": last, "step": 1}}


def uplinks(kind: str, first: Any, last: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "x", "field": UP, kind: {"from": first, "to": last} | (more or {"count": 3})}]


CUBE = [counted(SEEDS, 0, 9999), counted(ROUNDS, 1, 10_000), counted(BATCHES, 1, 10_000)]
TOO_MUCH = [
    (
        {"axes": CUBE, "max_points": 10**9, "skip": [{"x": ">= 0"}]},
        "axes: have 1,000,000,000,000 combinations of values, more than max_combinations (10,000,000)",
    ),
    ({"axes": CUBE[:2], "max_combinations": 10**9}, "max_combinations: must be"),
    (
        {"axes": CUBE[:2], "max_combinations": 10**8},
        "axes: make 100,000,000 points, more than max_points (10,000)",
    ),
    (
        {"axes": [counted(SEEDS, 1, 20_000)]},
        "axes.0.range: has 20,000 values, more than max_points (10,000)",
    ),
    (
        {"axes": [SEEDS | {"range": {"from": 0, "to": 1, "count": 10**30}}]},
        "axes.0.range: has 1.00e+30 values, more than max_points (10,000)",
    ),
    (
        {"axes": [SEEDS | {"range": {"from": 0, "to": 1, "step": "1e-300"}}]},
        "axes.0.range: has 1.00e+300 values",
    ),
    (
        {"axes": uplinks("log_range", "1 Mbit/s", "9 Mbit/s", count=10**12)},
        "axes.0.log_range: has 1,000,000,000,000 values",
    ),
    (
        {
            "axes": [counted(SEEDS, 0, 99), counted(ROUNDS, 1, 100)],
            "max_points": 100,
            "skip": [{"y": "== 1"}],
        },
        "skip: leaves 9,900 points, more than max_points (100)",
    ),
    (
        {"axes": uplinks("range", "1 Mbit/s", "1e999999999 Mbit/s")},
        'axes.0.range.to: is too large to be a number (got "1e999999999 Mbit/s")',
    ),
    (
        {"axes": uplinks("log_range", "1 Mbit/s", "1e400 Mbit/s")},
        'axes.0.log_range.to: is too large to be a number (got "1e400 Mbit/s")',
    ),
    (
        {"axes": uplinks("log_range", "1e-999 Mbit/s", "1 Mbit/s")},
        "axes.0.log_range.from: is too small to differ from 0",
    ),
    (
        {"axes": uplinks("log_range", "1e-300 Mbit/s", "1e300 Mbit/s")},
        "axes.0.log_range.to: is too large a multiple of its `from`",
    ),
    (
        {"axes": [SEEDS | {"range": {"from": "1" * 5000, "to": "9" * 5000, "count": 2}}]},
        "axes.0.range.from: must have at most 400 characters",
    ),
    ({"axes": uplinks("range", "x" * 5000, "1 Mbit/s")}, "must have at most 400 characters"),
    ({"axes": uplinks("range", "much", "1 Mbit/s")}, "axes.0.range.from: must be a number"),
    ({"axes": uplinks("range", "2 s", "1 s", step="1 s")}, "axes.0.range.to: must not be below"),
    ({"axes": uplinks("range", "1 s", "2 s", step=0)}, "axes.0.range.step: must be above 0"),
    ({"axes": uplinks("log_range", "0 Mbit/s", "1 Mbit/s")}, "log_range.from: must be above 0"),
    ({"name": "n" * 300}, "name: must be text no longer than 100"),
    ({"skip": [{"up": "<" + " x" * 20_000}]}, "skip.0.up: compares the axis up"),
]


@pytest.mark.parametrize(("sections", "said"), TOO_MUCH, ids=[said[:50] for _, said in TOO_MUCH])
def test_too_large_studies_are_refused_in_one_line(
    tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(ScenarioError, match=re.escape(said)) as refused:
        small_study(tmp_path, **sections)
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    assert len(text) < 700


def test_a_base_scenario_of_300_letters_is_not_a_file(tmp_path: Path) -> None:
    file = study_file(tmp_path)
    file.write_text(file.read_text("utf-8").replace("tiny.yaml", "A" * 300), "utf-8")
    with pytest.raises(ScenarioError, match=r"^A+: cannot be read: File name too long$"):
        load_study(file)


def test_more_points_and_values_can_be_allowed(tmp_path: Path) -> None:
    study = small_study(tmp_path, axes=[counted(SEEDS, 1, 10_001)], max_points=10_001)
    assert [point.steps["x"].value for point in study.points] == list(range(1, 10_002))


def test_conditions_are_looked_up_and_not_searched_for() -> None:
    """Of 30,000 values a list of 29,999 is skipped; each value is checked once."""
    count = 30_000
    values = [f"{n} Mbit/s" for n in range(1, count + 1)]
    axis = {"name": "up", "field": UP, "values": values}
    study = Study.model_validate(
        {
            "name": "many",
            "scenario": "any",
            "axes": [axis],
            "max_points": count,
            "skip": [{"up": values[1:]}],
        }
    )
    axes = {"up": steps_of(study.axes[0])}
    (left,) = points_of(study, axes)
    assert left.labels == {"up": "1 Mbit/s"}


def test_ten_million_combinations_are_laid_out_by_their_conditions() -> None:
    axes = [counted(SEEDS, 0, 3161), counted(ROUNDS, 1, 3162)]
    study = Study.model_validate(
        {"name": "many", "scenario": "any", "axes": axes, "only": [{"x": 7, "y": ["< 3", 3162]}]}
    )
    points = points_of(study, {axis.name: steps_of(axis) for axis in study.axes})
    assert [(p.number, p.steps["x"].value, p.steps["y"].value) for p in points] == [
        (0, 7, 1),
        (1, 7, 2),
        (2, 7, 3162),
    ]


def test_more_axes_than_an_array_may_have_dimensions() -> None:
    axes = [{"name": f"x{n}", "field": f"a.{n}", "values": [n, -n]} for n in range(1, 4)]
    axes += [{"name": f"y{n}", "field": f"b.{n}", "values": [n]} for n in range(200)]
    study = Study.model_validate({"name": "wide", "scenario": "any", "axes": axes})
    points = points_of(study, {axis.name: steps_of(axis) for axis in study.axes})
    assert [tuple(p.steps[f"x{n}"].value for n in (1, 2, 3)) for p in points] == [
        (a, b, c) for a in (1, -1) for b in (2, -2) for c in (3, -3)
    ]


def test_a_front_of_equal_rows_is_found_at_once() -> None:
    table = np.tile([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]], (200_000, 1))
    assert non_dominated(table).tolist() == [True, False] * 200_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("unlimited", ("bit/s", float("inf"))),
        ("1e400 Mbit/s", None),
        ("1e300 TB", None),
        ("8 parsecs", None),
        ("1" * 5000, None),
        ("3 W", ("W", 3.0)),
        ("2 GFLOP/s", ("FLOP/s", 2e9)),
        ("2 KiB", ("B", 2048.0)),
    ],
)
def test_positions_of_odd_quantities(text: str, at: tuple[str, float] | None) -> None:
    assert unit_and_number(text) == at


def test_the_middle_of_huge_numbers_is_finite() -> None:
    value, at = between(1e200, 1e202, "1 B/s")
    assert value == "1e+201 B/s"
    assert at == 1e201


@pytest.mark.parametrize("name", ["rounds", "virtual_time_s", "target_low_s", "curve"])
def test_an_axis_with_the_name_of_a_result_is_refused(tmp_path: Path, name: str) -> None:
    """Its values would stand in the column of the result, and the folder could not be read back."""
    study = small_study(tmp_path, axes=[{"name": name, "field": "seed", "values": [1, 2]}])
    with pytest.raises(ScenarioError, match=rf"axes\.0\.name: is a column of the results.*{name}"):
        check_points(study, trains=False)

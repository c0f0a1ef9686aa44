"""The points of a study, and messages about studies that cannot be run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_studies import SCENARIO, UP, small_study

from cutlayer.scenarios import ScenarioError
from cutlayer.scenarios.study import shipped_studies
from cutlayer.scenarios.study.values import between, linear, logarithmic, unit_and_number
from cutlayer.sim.studies.check import StudyError, check_points
from cutlayer.sim.studies.sweep import load_study, sweep


def labels(folder: Path, **sections: Any) -> list[tuple[str, ...]]:
    return [tuple(point.labels.values()) for point in small_study(folder, **sections).points]


CUT = {"name": "cut", "field": "model.cut", "values": [1, 2]}


def test_the_last_axis_runs_fastest(tmp_path: Path) -> None:
    axes = [{"name": "up", "field": UP, "values": ["1 Mbit/s", "2 Mbit/s"]}, CUT]
    assert labels(tmp_path, axes=axes) == [
        ("1 Mbit/s", "1"),
        ("1 Mbit/s", "2"),
        ("2 Mbit/s", "1"),
        ("2 Mbit/s", "2"),
    ]


def test_a_point_sets_its_fields_and_nothing_else(tmp_path: Path) -> None:
    study = small_study(tmp_path, axes=[CUT], set={"training.rounds": 7})
    base, changed = study.base.resolved(), study.scenario(study.points[1]).resolved()
    assert base["training"]["rounds"] == 7
    assert changed["model"].pop("cut") == 2
    assert base["model"].pop("cut") == 1
    assert changed == base


def test_zipped_fields_go_together(tmp_path: Path) -> None:
    axis = {"name": "x", "zip": {"model.cut": [1, 2], "training.rounds": [3, 4]}}
    study = small_study(tmp_path, axes=[axis])
    found = [study.scenario(point).scenario for point in study.points]
    assert [(s.model.cut, s.training.rounds) for s in found] == [(1, 3), (2, 4)]


def test_a_star_is_every_entry_of_a_list(tmp_path: Path) -> None:
    two = [{"device": "raspberry-pi-4b", "link": "4g"}, {"device": "raspberry-pi-5", "link": "4g"}]
    settings = {"topology.star.clients": two}
    axis = {"name": "link", "field": "topology.star.clients.*.link", "values": ["wifi-50"]}
    base = yaml.safe_load(SCENARIO)
    base["topology"]["star"]["clients"] = settings["topology.star.clients"]
    study = small_study(tmp_path, yaml.safe_dump(base), axes=[axis])
    clients = study.scenario(study.points[0]).resolved()["topology"]["star"]["clients"]
    assert [group["link"] for group in clients] == ["wifi-50", "wifi-50"]


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ({"skip": [{"cut": 2, "up": "> 1 Mbit/s"}]}, ["1/1", "1/2", "2/1", "9/1"]),
        ({"skip": [{"up": ["1 Mbit/s", ">= 9 Mbit/s"]}]}, ["2/1", "2/2"]),
        ({"only": [{"up": "< 9 Mbit/s", "cut": 1}]}, ["1/1", "2/1"]),
        ({"only": [{"cut": "== 2"}], "skip": [{"up": "!= 2 Mbit/s"}]}, ["2/2"]),
        ({"skip": [{"up": "<= 2000 kbit/s"}]}, ["9/1", "9/2"]),
    ],
)
def test_conditions_leave_points_out(
    tmp_path: Path, condition: dict[str, Any], left: list[str]
) -> None:
    axes = [{"name": "up", "field": UP, "values": [f"{n} Mbit/s" for n in (1, 2, 9)]}, CUT]
    found = labels(tmp_path, axes=axes, **condition)
    assert [f"{up.split()[0]}/{cut}" for up, cut in found] == left


def test_ranges_are_written_out() -> None:
    assert linear(1, 9, 5, None) == [1, 3, 5, 7, 9]
    assert linear(1, 2, 3, None) == [1, 1.5, 2]
    assert linear("1 ms", "2 ms", None, "0.5 ms") == ["1 ms", "1.5 ms", "2 ms"]
    assert logarithmic(1, 100, 5) == [1, 3, 10, 32, 100]
    assert logarithmic("1 Mbit/s", "100 Mbit/s", 3) == ["1 Mbit/s", "10 Mbit/s", "100 Mbit/s"]
    assert logarithmic(1, 3, 9) == [1, 2, 3]


def test_values_have_positions() -> None:
    assert unit_and_number("8 Mbit/s") == ("bit/s", 1e6)
    assert unit_and_number("20 ms") == ("s", 0.02)
    assert unit_and_number(3) == ("", 3.0)
    assert unit_and_number("4g") is None
    assert unit_and_number(True) is None


@given(st.floats(1e-3, 1e3), st.floats(1.01, 100))
def test_the_middle_is_between(low_mbit: float, factor: float) -> None:
    low, high = low_mbit * 125e3, low_mbit * 125e3 * factor
    value, at = between(low, high, "5 Mbit/s")
    assert low < at < high
    assert unit_and_number(value) == ("bit/s", at)


REFUSED = [
    ({"axes": [{"name": "x", "field": "model.cut"}]}, "axes.0: needs a field"),
    ({"axes": [{"name": "seed", "field": "model.cut", "values": [1]}]}, "another word"),
    ({"axes": []}, "axes: must not be empty"),
    ({"axes": [CUT, CUT]}, "two axes with the same name"),
    ({"axes": [CUT, {**CUT, "name": "again"}]}, "set the same field"),
    ({"skip": [{"cut": 1}]}, "has the unknown axis 'cut'; known are up"),
    ({"skip": [{"up": "3 Mbit/s"}]}, "which the axis up does not have"),
    ({"skip": [{"up": "< 3 s"}]}, "compares the axis up"),
    ({"only": [{"up": "> 1 Gbit/s"}]}, "leaves no point"),
    ({"scenarios": "tiny"}, "scenarios: is an unknown key; did you mean 'scenario'?"),
    ({"crossovers": {"axis": "link"}}, "has the unknown axis 'link'"),
    ({"crossovers": {"axis": "up", "tolerance": 0}}, "crossovers.tolerance"),
    ({"max_points": 1}, "more than max_points"),
    ({"sensitivity": {"of": ["linkz"]}}, "not an assumption; did you mean 'links'?"),
    ({"best": {"axis": "up", "by": "fun"}}, "best.by"),
    (
        {"axes": [{"name": "x", "field": UP, "range": {"from": "1 s", "to": "2 ms", "count": 2}}]},
        "needs both ends in the same unit",
    ),
    ({"axes": [{"name": "x", "zip": {"model.cut": [1], "seed": [1, 2]}}]}, "lists of one length"),
]


@pytest.mark.parametrize(("sections", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_impossible_studies_are_reported(
    tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(ScenarioError, match=re.escape(said)):
        sweep(small_study(tmp_path, **sections), executor="none")


def test_a_point_that_cannot_be_run_is_named_before_any_runs(tmp_path: Path) -> None:
    axes = [{"name": "cut", "field": "model.cut", "values": [*[1] * 57, 99]}]
    study, out = small_study(tmp_path, axes=axes), tmp_path / "out"
    with pytest.raises(StudyError, match=r"point 57 \(cut = 99\): model.cut: must be 0") as refused:
        sweep(study, executor="none", out=out)
    assert len(str(refused.value).splitlines()) == 1
    assert not out.exists()


def test_methods_that_do_not_fit_into_memory_are_marked(tmp_path: Path) -> None:
    base = yaml.safe_load(SCENARIO)
    base["devices"] = {"small": {"speed": "5 GFLOP/s", "memory": "4 GiB"}}
    base["topology"]["star"]["clients"][0]["device"] = "small"
    axes = [{"name": "memory", "field": "devices.small.memory", "values": ["100 kB", "4 GiB"]}]
    axes.append(CUT)
    swept = sweep(small_study(tmp_path, yaml.safe_dump(base), axes=axes), executor="none")
    status = [(f.point.labels["memory"], f.cell.label, f.status) for f in swept.cells]
    assert ("100 kB", "splitfed", "infeasible") in status
    assert all(state == "complete" for memory, _, state in status if memory == "4 GiB")
    notes = [note for note in swept.table()["note"] if note]
    assert notes
    assert all("on a small, which has 100 kB" in note for note in notes)


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_can_be_run(name: str) -> None:
    study = load_study(name)
    assert study.study.name == name
    assert study.study.description
    check_points(study, trains=True)

"""Charts of a study with two seeds: means with the band of Student's t, and maps of two axes."""

from collections.abc import Mapping

import pytest
from small_studies import UP, small_study

from cutlayer.sim.report.study_axes import over_axes
from cutlayer.sim.report.study_curves import accuracy_charts
from cutlayer.sim.report.study_maps import heat_maps
from cutlayer.sim.results.columns import Value
from cutlayer.sim.results.read import SavedStudy, read_study
from cutlayer.sim.studies.sweep import sweep
from cutlayer.sim.views.charts import Chart

T = 12.7062  # Student's t with one degree of freedom, 97.5 %
UPS = ["1 Mbit/s", "10 Mbit/s"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SavedStudy:
    folder = tmp_path_factory.mktemp("study")
    axes = [
        {"name": "cut", "field": "model.cut", "values": [1, 2]},
        {"name": "up", "field": UP, "values": UPS},
    ]
    sweep(small_study(folder, axes=axes, seeds=[0, 1], best={"axis": "up"}), out=folder / "out")
    return read_study(folder / "out")


def pair(study: SavedStudy, table: str, column: str, **where: Value) -> list[float]:
    """The two seeds' values in a table, in percent if they are accuracies."""
    factor = 100 if "accuracy" in column else 1
    rows = [row for row in study.table(table) if where.items() <= row.items()]
    assert [row["seed"] for row in rows] == [0, 1]
    return [factor * float(row[column] or 0) for row in rows]


def check(
    study: SavedStudy, chart: Chart, table: str, column: str, where: Mapping[str, Value]
) -> None:
    """The last value of each line is the mean of the seeds, its band as wide as theirs differ."""
    for series in chart.series:
        one, other = pair(study, table, column, label=series.name, **where)
        assert series.y[-1] == pytest.approx((one + other) / 2)
        half = 0.0 if series.half is None else series.half[-1]
        assert half == pytest.approx(T * abs(one - other) / 2, rel=1e-4)


def test_accuracies_are_means_over_the_seeds_with_a_band(study: SavedStudy) -> None:
    (charts,) = accuracy_charts(study)
    assert [chart.choice for chart in charts][:2] == [f"cut = 1, up = {up}" for up in UPS]
    assert "Means over 2 seeds with 95 % t-intervals." in charts[0].note
    for point, chart in enumerate(charts):
        check(study, chart, "curves", "accuracy", {"point": point, "round": 1})
        for series in chart.series:
            low, high = series.band()
            assert 0 <= min(low) <= max(high) <= 100


def test_measures_over_an_axis_are_means_over_the_seeds_with_a_band(study: SavedStudy) -> None:
    (charts,) = over_axes(study, study.table("points"))
    chosen = {chart.choice: chart for chart in charts}
    check(study, chosen["final accuracy, cut = 1"], "points", "accuracy_final", {"point": 1})
    check(study, chosen["final accuracy, cut = 2"], "points", "accuracy_final", {"point": 3})
    assert chosen["final accuracy, cut = 2"].y_title == "final accuracy (%)"
    assert list(chosen["virtual time, cut = 1"].series[0].x) == [1, 10]
    assert chosen["virtual time, cut = 1"].x_title == "up (Mbit/s)"


def test_a_map_has_the_last_axis_to_the_right(study: SavedStudy) -> None:
    (charts,) = heat_maps(study, study.table("points"))
    chart = next(chart for chart in charts if chart.choice == "splitfed, final accuracy")
    (grid,) = chart.series
    assert (chart.x_title, list(grid.x)) == ("up", UPS)
    assert (chart.y_title, list(grid.y)) == ("cut", ["1", "2"])
    for point, (j, i) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        found = pair(study, "points", "accuracy_final", point=point, label="splitfed")
        assert 100 * float(chart.cells[j][i] or 0) == pytest.approx(sum(found) / 2)

"""Cuts and controllers as axes of a study: what shares a training, and the best cut."""

from pathlib import Path
from typing import Any

from small_studies import UP, small_study

from cutlayer import run
from cutlayer.sim.studies.sweep import sweep

TWO_CUTS = {"raspberry-pi-4b-0": 2, "default": 1}
UPLINKS = {"name": "up", "field": UP, "values": ["1 Mbit/s", "10 Mbit/s"]}


def axis(field: str, *values: Any) -> dict[str, Any]:
    return {"name": "setting", "field": field, "values": list(values)}


def test_cuts_by_name_are_values_of_an_axis(tmp_path: Path) -> None:
    """Three settings on two links: a training for each setting."""
    study = small_study(
        tmp_path,
        set={"methods": ["splitfed"]},
        axes=[axis("model.cut", 1, TWO_CUTS, {"default": 2}), UPLINKS],
        best={"axis": "setting", "by": "time"},
    )
    swept = sweep(study)
    assert (swept.trainings.needed, swept.new["trainings"]) == (3, 3)
    digests = {swept.at(p.number, "splitfed").weights_digest for p in study.points}  # type: ignore[union-attr]
    assert len(digests) == 1  # a cut changes no mathematics of SplitFed
    labels = {point.labels["setting"] for point in study.points}
    best = swept.decisions["best"]
    assert len(best) == 2
    assert {row["best"] for row in best} <= labels


def test_points_share_a_training_if_the_decisions_are_the_same(tmp_path: Path) -> None:
    """`best` finds cut 2 for everybody on both links, by whichever candidates; `fixed` has cut 1."""
    study = small_study(
        tmp_path,
        set={"methods": ["local_loss"]},
        axes=[
            axis("control", "fixed", {"best": {"cuts": [2]}}, {"best": {"cuts": [2, 1]}}),
            UPLINKS,
        ],
    )
    swept = sweep(study)
    for point in study.points[2:]:
        (result,) = run(study.scenario(point), executor="none")
        assert {row.cut for row in result.methods["local_loss"].decisions} == {2}
    assert (swept.trainings.needed, swept.new["trainings"]) == (2, 2)

"""An attached curve equals, bit for bit, the curve of a point that is trained by itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_studies import SCENARIO, SYNCHRONOUS, UP, small_study

from cutlayer import run
from cutlayer.scenarios.study import LoadedStudy
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.studies.result import StudyResult
from cutlayer.sim.studies.sweep import sweep

LOSES = {  # offline for good after three seconds: the slower the uplink, the more clients are lost
    "availability": [
        {
            "clients": "raspberry-pi-4b",
            "on_disconnect": "drop",
            "offline": [{"from": "1.2 s", "until": "4 s"}],
        }
    ]
}


def told(result: MethodResult) -> dict[str, Any]:
    """Return the contents of summary.json and rounds.csv, without updates, which a study leaves out."""
    summary = result.summary({})
    summary.pop("updates", None)
    assert summary["training_loss"]
    assert summary["client_accuracy"]
    return summary | {"rows": result.rows_of("rounds")}


def assert_trained_alike(study: LoadedStudy, swept: StudyResult) -> None:
    """Check that every point has the results of a run of its own, which trains."""
    for point in study.points:
        (itself,) = run(study.scenario(point))
        for label, result in itself.methods.items():
            found = swept.at(point.number, label)
            assert found is not None
            assert found.weights_digest
            assert told(found) == told(result)


def test_every_synchronous_method_is_trained_once_and_its_curve_is_its_own(tmp_path: Path) -> None:
    study = small_study(tmp_path, set={"methods": yaml.safe_load(SYNCHRONOUS)})
    swept = sweep(study)
    assert len(swept.labels) == 8
    assert (swept.trainings.needed, swept.trainings.shared, swept.trainings.alone) == (8, 8, 0)
    assert swept.new["trainings"] == 8
    assert_trained_alike(study, swept)


def test_methods_whose_learning_depends_on_timing_are_trained_by_themselves(tmp_path: Path) -> None:
    study = small_study(tmp_path, set=LOSES | {"methods": ["splitfed"]})
    swept = sweep(study)
    one, other = (swept.at(point, "splitfed") for point in (0, 1))
    assert one is not None
    assert other is not None
    assert one.summary({})["clients_dropped"] != other.summary({})["clients_dropped"]
    assert one.learning_digest != other.learning_digest
    assert one.weights_digest != other.weights_digest
    assert (swept.trainings.needed, swept.trainings.shared) == (2, 0)
    assert_trained_alike(study, swept)


@pytest.mark.parametrize("limit", [{"stop.target_accuracy": 0.05}, {"stop.patience": 1}])
def test_a_run_that_stops_at_an_accuracy_cannot_be_timed_without_training(
    tmp_path: Path, limit: dict[str, float]
) -> None:
    study = small_study(tmp_path, set={**limit, "training.rounds": 4})
    swept = sweep(study)
    assert swept.trainings.alone == swept.trainings.curves == 4
    assert swept.trainings.shared == 0
    assert_trained_alike(study, swept)


def test_each_seed_is_trained(tmp_path: Path) -> None:
    swept = sweep(small_study(tmp_path, seeds=[0, 1], set={"methods": ["splitfed"]}))
    assert swept.seeds == [0, 1]
    assert (swept.trainings.needed, swept.trainings.shared) == (2, 2)


def test_another_evaluation_interval_is_another_curve(tmp_path: Path) -> None:
    axes = [{"name": "every", "field": "training.evaluate_every", "values": [1, 2]}]
    swept = sweep(small_study(tmp_path, axes=axes, set={"methods": ["splitfed"]}))
    assert swept.trainings.needed == 2
    lengths = [len(found.result.curve) for found in swept.cells if found.result]
    assert lengths == [2, 1]


@pytest.mark.parametrize("executor", ["none", "inline"])
def test_a_point_s_run_folder_has_the_curve(tmp_path: Path, executor: Any) -> None:
    from cutlayer.sim.studies.sweep import write_full

    study = small_study(tmp_path, set={"methods": ["splitfed"]})
    swept = sweep(study, executor=executor)
    (written,) = write_full(swept, 1, tmp_path / "points" / "0001")
    expected = swept.at(1, "splitfed")
    assert expected is not None
    assert written.methods["splitfed"].summary({}) == expected.summary({})
    assert (tmp_path / "points" / "0001" / "summary.json").is_file()


def test_points_share_a_training_if_the_same_clients_are_kept(tmp_path: Path) -> None:
    """Of two clients with equal links none is late; of two with different links, the slower is."""
    base = yaml.safe_load(SCENARIO)
    group = base["topology"]["star"]["clients"][0] | {"count": 1}
    slow = group | {"link": {"up": "200 kbit/s", "down": "20 Mbit/s", "delay": "10 ms"}}
    base["topology"]["star"]["clients"] = [group, slow]
    base["training"]["closing"] = {"first": 1}
    ups = ["10 Mbit/s", "20 Mbit/s", "100 kbit/s", "200 kbit/s"]
    axes = [{"name": "up", "field": UP, "values": ups}]
    sections = {"axes": axes, "set": {"methods": ["classic_fl"]}}
    study = small_study(tmp_path, yaml.safe_dump(base), **sections)
    swept = sweep(study)
    digests = [found.result.learning_digest for found in swept.cells if found.result]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3  # the first client, the second, both
    assert (swept.trainings.needed, swept.trainings.shared) == (3, 1)
    assert_trained_alike(study, swept)

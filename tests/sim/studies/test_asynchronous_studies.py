"""A study of asynchronous methods trains once for each order of updates, whatever the times are."""

import re
from pathlib import Path

import pytest
import yaml
from command_line import CommandLine
from small_studies import SCENARIO, UP, small_study, study_file
from test_attached_curves import assert_trained_alike

from cutlayer import read_study, run
from cutlayer.scenarios.study import LoadedStudy
from cutlayer.sim.studies.sweep import sweep

UPS = ["400 kbit/s", "800 kbit/s", "2 Mbit/s", "5 Mbit/s", "10 Mbit/s", "11 Mbit/s"]
METHODS = {
    "fedasync": {"in_flight": 2, "window": {"updates": 3}, "staleness": {"polynomial": {"a": 0.5}}},
    "fedbuff": {"in_flight": 3, "buffer": 2, "window": {"updates": 2}},
}


def two_links(method: str) -> tuple[str, dict[str, object]]:
    """Return a scenario with one client whose uplink is an axis, and two others; and the study."""
    base = yaml.safe_load(SCENARIO)
    group = base["topology"]["star"]["clients"][0]
    base["topology"]["star"]["clients"] = [group | {"count": 1}, group | {"count": 2}]
    base["training"]["rounds"] = 3
    sections = {
        "axes": [{"name": "up", "field": UP, "values": UPS}],
        "set": {"methods": [{method: METHODS[method]}]},
    }
    return yaml.safe_dump(base), sections


def orders(study: LoadedStudy, method: str) -> list[tuple[tuple[str, int, int], ...]]:
    """Return the order of updates at each point: clients, the versions read, the versions made."""
    found = []
    for point in study.points:
        (timed,) = run(study.scenario(point), executor="none")
        rows = timed.methods[method].updates
        assert all(row.version is not None for row in rows)
        found.append(tuple((row.client, row.read_version, row.version or 0) for row in rows))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_points_share_a_training_exactly_if_their_updates_have_the_same_order(
    tmp_path: Path, method: str
) -> None:
    scenario, sections = two_links(method)
    study = small_study(tmp_path, scenario, **sections)
    different = orders(study, method)
    assert 1 < len(set(different)) < len(UPS)
    swept = sweep(study)
    trainings = swept.trainings
    assert trainings.needed == swept.new["trainings"] == len(set(different))
    assert (trainings.curves, trainings.shared) == (len(UPS), len(UPS) - len(set(different)))
    digests = [found.result.learning_digest for found in swept.cells if found.result]
    for one, digest in zip(different, digests, strict=True):
        assert [o == one for o in different] == [d == digest for d in digests]
    assert_trained_alike(study, swept)


def test_the_summary_line_says_how_many_trainings_were_shared(cli: CommandLine) -> None:
    scenario, sections = two_links("fedasync")
    file = study_file(cli.folder, scenario, **sections)
    answer = cli("sweep", file, "--jobs", 1)
    said = re.search(
        r"6 learning curves from (\d) trainings: (\d) are shared, bit for bit", answer.out
    )
    assert answer.code == 0
    assert said
    needed = len(set(orders(small_study(cli.folder, scenario, **sections), "fedasync")))
    assert (int(said[1]), int(said[2])) == (needed, len(UPS) - needed)


def test_points_have_the_figures_of_updates(tmp_path: Path) -> None:
    """Those of each point's own run; also after the results were stored; none with rounds only."""
    base, sections = two_links("fedbuff")
    study = small_study(tmp_path, base, **sections)
    for _ in range(2):  # the second sweep reads what the first one has stored
        table = sweep(study, executor="none", out=tmp_path / "out").table()
        for number, point in enumerate(study.points):
            (timed,) = run(study.scenario(point), executor="none")
            about = timed.methods["fedbuff"].summary({})["updates"]
            assert table["staleness_mean"][number] == about["staleness"]["mean"]
            assert table["staleness_max"][number] == about["staleness"]["max"]
            assert table["versions_per_hour"][number] == about["versions_per_hour"]
            assert table["jain"][number] == about["clients"]["jain"]
    saved = read_study(tmp_path / "out").table("points")
    assert [row["jain"] for row in saved] == table["jain"]
    assert "jain" not in sweep(small_study(tmp_path), executor="none").table()

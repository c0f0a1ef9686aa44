"""LEAF's files as a data set, and its users as clients."""

import json
from pathlib import Path

import numpy as np
import pytest
from shards import shards_of
from tiny_runs import tiny

from cutlayer import run
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.data.datasets import describe, load
from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.leaf import leaf_declaration
from cutlayer.sim.data.partition import PartitionError
from cutlayer.sim.data.samples import partition_by_group

SIDE = 32


def user(number: int, samples: int, *, constant: float = 0.0) -> dict:
    """Samples that identify their user: `number`, with k / 100 as the first pixel of sample k."""
    x = [[k / 100, number / 100] + [constant] * (SIDE * SIDE - 2) for k in range(samples)]
    return {"x": x, "y": [(number + k) % 3 for k in range(samples)]}


def all_data(samples: dict[str, int]) -> dict:
    return {
        "users": list(samples),
        "num_samples": list(samples.values()),
        "user_data": {name: user(i, n) for i, (name, n) in enumerate(samples.items())},
    }


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").mkdir()
    write(tmp_path / "train" / "all_data_0.json", all_data({"ann": 5, "bob": 0}))
    write(tmp_path / "train" / "all_data_1.json", all_data({"cyd": 4, "dan": 6}))
    write(tmp_path / "test.json", all_data({"ann": 3, "eve": 3}))
    return tmp_path


SHAPE = (1, SIDE, SIDE)


def test_the_declaration_matches_the_files(files: Path) -> None:
    info = leaf_declaration(files / "train", files / "test.json", input_shape=SHAPE)
    assert info.train_counts == (6, 5, 4)  # ann 2 2 1, cyd 2 1 1, dan 2 2 2 from class 1 on
    assert info.test_samples == 6
    loaded = load(describe(info))
    assert loaded.train_images.shape == (15, 1, SIDE, SIDE)
    assert loaded.train_images[5:9, 0, 0, 0].tolist() == pytest.approx([0, 0.01, 0.02, 0.03])
    mean = loaded.train_images.double().mean().item()
    assert info.mean[0] == pytest.approx(mean)
    assert info.std[0] == pytest.approx(loaded.train_images.double().std(correction=0).item())


def test_each_client_holds_the_samples_of_its_user(files: Path) -> None:
    info = describe(leaf_declaration(files / "train", None, input_shape=SHAPE), test_fraction=0.4)
    shards = partition_by_group(info, 4, "users")
    assert shards.users == 4
    assert sum(shards.sizes) == info.train_samples == 9
    data = load(info)
    for client, rows in enumerate(shards_of(shards, data.train_labels.numpy())):
        marks = data.train_images[rows, 0, 0, 1].numpy()
        # In its own file, ann is user 0 and bob 1; cyd is 0 and dan 1 in theirs.
        assert np.allclose(marks, (client % 2) / 100)
    assert partition_by_group(info, 2, "users").sizes == shards.sizes[:2]
    with pytest.raises(PartitionError, match="has 4 users for 5 clients"):
        partition_by_group(info, 5, "users")
    with pytest.raises(PartitionError, match="do not belong to users"):
        partition_by_group(describe("cifar10"), 5, "users")


def test_a_scenario_trains_on_it_by_user(files: Path) -> None:
    data = (
        "data={dataset: {leaf: {train: train, test: test.json, input_shape: [1, 32, 32]}},"
        " partition: users}"
    )
    overrides = (data, "topology.star.clients.0.count=4")
    plan = plan_checked(tiny(*overrides), trains=True)[0]
    assert plan.shards.sizes == (5, 0, 4, 6)
    (trained,) = run(tiny(*overrides), executor="inline")[0].methods.values()
    (timed,) = run(tiny(*overrides), executor="none")[0].methods.values()
    assert trained.learning_digest == timed.learning_digest is not None
    assert trained.rounds[0].clients == 3
    assert trained.rounds[-1].accuracy is not None
    changed = all_data({"cyd": 4, "dan": 5})
    write(files / "train" / "all_data_1.json", changed)
    (other,) = run(tiny(*overrides), executor="none")[0].methods.values()
    assert other.learning_digest != timed.learning_digest


def test_flat_samples_are_rows_of_features(files: Path) -> None:
    info = leaf_declaration(files / "test.json", None)
    assert info.input_shape == (SIDE * SIDE,)
    assert not info.is_image
    assert len(info.mean) == SIDE * SIDE
    assert min(info.std) > 0  # constant pixels are not scaled


def test_pixels_of_another_range_are_scaled_on_request(tmp_path: Path) -> None:
    content = {
        "users": ["u"],
        "num_samples": [2],
        "user_data": {"u": {"x": [[0, 255], [51, 102]], "y": [0, 1.0]}},
    }
    path = write(tmp_path / "x.json", content)
    with pytest.raises(DataError, match="hold values from 0 to 255, and float32 images have"):
        leaf_declaration(path, None, input_shape=(1, 1, 2))
    info = leaf_declaration(path, None, input_shape=(1, 1, 2), value_range=(0.0, 255.0))
    loaded = load(describe(info))
    assert loaded.train_images.flatten().tolist() == pytest.approx([0, 1, 0.2, 0.4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": None}, "expected users, num_samples and user_data"),
        ({"num_samples": [3]}, "has 2 users and 1 num_samples"),
        ({"num_samples": [3, 1]}, "'v': has 2 in x, 2 in y and 1 in num_samples"),
        ({"users": ["u", "w"]}, "'w': has no user_data"),
        ({"users": ["u", "u"]}, "has the user 'u' twice"),
        ({"user_data": {"u": 1, "v": {}}}, "'u': has no user_data"),
        ({"user_data": {"u": {"x": 1, "y": []}, "v": {}}}, "'u': expected lists x and y"),
        ({"v": {"x": [[1, 2], [3]], "y": [0, 1]}}, "'v': x: the samples have different shapes"),
        ({"v": {"x": ["a b", "c"], "y": [0, 1]}}, "'v': x: expected numbers only (text is not"),
        ({"v": {"x": [[1], [2]], "y": [0, 1]}}, "the samples of 'v' have shape (1,), those before"),
        ({"v": {"x": [[1, 2], [3, 4]], "y": [0, 0.5]}}, "'v': y: expected one class for each"),
        ({"v": {"x": [[1, 2], [3, 4]], "y": [0, float("nan")]}}, "'v': y: expected one class for"),
        ({"v": {"x": [[1, 2], [3, 4]], "y": [0, -1]}}, "'v': y: expected classes numbered from 0"),
        (
            {"v": {"x": [[1, 2], [3, float("nan")]], "y": [0, 1]}},
            "train sample 4, feature 1: holds NaN",
        ),
    ],
)
def test_errors_are_reported_in_one_sentence(tmp_path: Path, changes: dict, message: str) -> None:
    good = {
        "users": ["u", "v"],
        "num_samples": [3, 2],
        "user_data": {
            "u": {"x": [[1, 2]] * 3, "y": [0, 1, 0]},
            "v": {"x": [[1, 2]] * 2, "y": [0, 1]},
        },
    }
    if "v" in changes:
        changes = {"user_data": {**good["user_data"], **changes}}
    path = write(tmp_path / "x.json", {**good, **changes})
    with pytest.raises(DataError) as caught:
        leaf_declaration(path, None)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_too_large_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"is neither a file nor a folder with \.json files"):
        leaf_declaration(tmp_path, None)
    path = write(tmp_path / "x.json", all_data({"u": 3}))
    with pytest.raises(DataError, match=r"do not fit an input_shape of \(3, 3\)"):
        leaf_declaration(path, None, input_shape=(3, 3))
    with pytest.raises(DataError, match="has class 2, and 2 classes are declared"):
        leaf_declaration(path, None, classes=2)
    monkeypatch.setattr("cutlayer.sim.data.readers.leaf.MAX_BYTES", 100)
    write(path, all_data({"u": 4}))
    with pytest.raises(DataError, match="bytes, and at most 100 are read"):
        leaf_declaration(path, None)


def test_a_declared_set_is_timed_but_not_trained() -> None:
    data = (
        "data={dataset: {declared: {input_shape: [3, 32, 32], classes: 7, train_samples: 100}},"
        " partition: {sizes: 25}}"
    )
    plan = make_plan(tiny(data).scenario, 0)
    assert plan.info.train_counts == (15, 15, 14, 14, 14, 14, 14)
    (timed,) = run(tiny(data), executor="none")[0].methods.values()
    assert timed.rounds[0].clients == 3
    assert timed.learning_digest is None
    with pytest.raises(ValueError, match=r"data\.dataset: is only declared, and nothing can be"):
        run(tiny(data), executor="inline")


def test_duplicate_users_are_refused(tmp_path: Path) -> None:
    content = all_data({"ann": 2})
    twice = {**content, "users": ["ann", "ann"], "num_samples": [2, 2]}
    with pytest.raises(DataError, match="has the user 'ann' twice"):
        leaf_declaration(write(tmp_path / "twice.json", twice), None, input_shape=SHAPE)
    text = json.dumps(content)
    repeated = text[:-1] + ', "user_data": {}}'
    (tmp_path / "key.json").write_text(repeated, encoding="utf-8")
    with pytest.raises(DataError, match="'user_data' appears twice"):
        leaf_declaration(tmp_path / "key.json", None, input_shape=SHAPE)

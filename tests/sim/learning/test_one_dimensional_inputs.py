"""Rows of features instead of images: every method trains on them; and invalid values."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import CommandLine, assert_refused
from tiny_runs import METHODS, tiny

from cutlayer import run
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.own_dataset import checked_values

MODULE = '''
import torch
from torch import nn

from cutlayer.models import Model
from cutlayer.sim.data.datasets import Dataset, DatasetInfo


class Blobs:
    """Two clusters in 5 dimensions, far from 0, with one feature a thousand times as wide."""

    info = DatasetInfo(
        name="blobs", input_shape=(5,), train_counts=(30, 30), test_counts=(20, 20),
        mean=(10.0, 0.0, 0.0, 0.0, 0.0), std=(1000.0, 1.0, 1.0, 1.0, 1.0),
        class_names=("left", "right"), checksum="blobs 1",
    )

    def __call__(self, data_dir):
        return Dataset(self.info, *self.make(60, 1), *self.make(40, 2))

    def make(self, samples, seed):
        labels = torch.arange(samples) % 2
        random = torch.Generator().manual_seed(seed)
        rows = torch.randn(samples, 5, generator=random)
        rows[:, 1] += 6.0 * labels - 3.0
        rows[:, 0] = rows[:, 0] * 1000.0 + 10.0
        return rows, labels


blobs = Blobs()


def layers(classes, input_shape):
    inside = [nn.Linear(*input_shape, 8), nn.ReLU()]
    blocks = [
        ("first", nn.Sequential(*inside)),
        ("second", nn.Sequential(nn.Linear(8, 8), nn.ReLU())),
        ("last", nn.Linear(8, classes)),
    ]
    return Model("layers", blocks, input_shape, classes, feature_blocks=1)
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    (tmp_path / "own_rows_for_tests.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield (
        "data={dataset: 'own_rows_for_tests:blobs', partition: {sizes: 20}}",
        "model={name: 'own_rows_for_tests:layers', cut: 1}",
        "training.rounds=4",
    )
    sys.modules.pop("own_rows_for_tests", None)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_from_rows(own: tuple[str, ...], method: str) -> None:
    overrides = (*own, f"methods=[{method}]")
    (trained,) = run(tiny(*overrides), executor="inline")[0].methods.values()
    (timed,) = run(tiny(*overrides), executor="none")[0].methods.values()
    assert trained.rounds[-1].accuracy > 0.9
    assert trained.learning_digest == timed.learning_digest is not None
    assert (trained.virtual_time_s, trained.wire_bytes) == (timed.virtual_time_s, timed.wire_bytes)


def test_costs_and_bytes_are_those_of_linear_layers(own: tuple[str, ...]) -> None:
    # Up: 20 samples of 8 float32 values and a label; down: 20 gradients. Weights: 5 x 8 + 8.
    one_batch = ("methods=[splitfed]", "training.batch_size=20", "training.rounds=1")
    (timed,) = run(tiny(*own, *one_batch), executor="none")[0].methods.values()
    block, activation = 4 * (5 * 8 + 8), 4 * 20 * 8
    (only,) = timed.rounds
    assert only.payload_up == 3 * (activation + 20 * 8 + block)
    assert only.payload_down == 3 * (activation + block)
    (whole,) = run(tiny(*own, "methods=[centralised]"), executor="none")[0].methods.values()
    assert whole.rounds[0].payload_up == 60 * (5 * 4 + 8)  # rows are float32, with a label


def test_rows_are_neither_cropped_nor_flipped(own: tuple[str, ...], cli: CommandLine) -> None:
    sets = [part for override in own for part in ("--set", override)]
    answer = cli("check", "tiny.yaml", *sets, "--set", "data.augment={flip: true}")
    assert_refused(
        answer, "data.augment", "crops and flips images, and own_rows_for_tests:blobs", "(5,)"
    )


def info(shape: tuple[int, ...], value_range: tuple[float, float] | None = None) -> DatasetInfo:
    return DatasetInfo(
        "mine",
        shape,
        (1,),
        (1,),
        (0.0,) * shape[0],
        (1.0,) * shape[0],
        ("a",),
        value_range=value_range,
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.float32([[[[0.0, 255.0]]]]), "hold values from 0 to 255, and float32 images have 0 to"),
        (np.float32([[[[-1.0, 1.0]]]]), "hold values from -1 to 1, and float32 images have 0 to 1"),
        (
            np.float32([[[[0.5, 0.5]]], [[[0.5, np.nan]]]]),
            "train sample 1, position (0, 0, 1): holds NaN",
        ),
        (
            np.float32([[[[0.5, np.inf]]]]),
            "train sample 0, position (0, 0, 1): holds NaN or infinity",
        ),
        (
            np.uint8([[[[0, 1]]]]),
            "from 0 to 1, and uint8 images have 0 to 255: declare value_range",
        ),
    ],
)
def test_values_out_of_the_declared_range_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(DataError) as caught:
        checked_values(info((1, 1, 2)), values, "train")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_are_scaled_from_the_declared_range() -> None:
    pixels = np.float32([[[[-1.0, 0.0]]], [[[0.5, 1.0]]]])
    scaled = checked_values(info((1, 1, 2), (-1.0, 1.0)), pixels, "train")
    assert scaled.dtype == np.float32
    assert scaled.ravel().tolist() == [0.0, 0.5, 0.75, 1.0]
    binary = checked_values(info((1, 1, 2), (0.0, 1.0)), np.uint8([[[[0, 1]]]]), "train")
    assert binary.ravel().tolist() == [0.0, 1.0]
    with pytest.raises(DataError, match="from -1 to 1, beyond the declared value_range of 0 to 1"):
        checked_values(info((1, 1, 2), (0.0, 1.0)), pixels, "train")


def test_rows_may_hold_any_finite_numbers() -> None:
    rows = np.float32([[-1e6, 3.0]])
    assert checked_values(info((2,)), rows, "train") is rows
    with pytest.raises(DataError, match="test sample 0, feature 0: holds NaN"):
        checked_values(info((2,)), np.float32([[np.nan, 1.0]]), "test")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_shape": ()}, "input_shape must be positive whole numbers"),
        ({"input_shape": (0, 3)}, "input_shape must be positive whole numbers"),
        ({"mean": (0.0,)}, r"one value per feature \(2\)"),
        ({"value_range": (1.0, 0.0)}, "value_range must be a smaller and a larger number"),
        ({"value_range": (0.0, float("inf"))}, "value_range must be a smaller and a larger"),
    ],
)
def test_an_invalid_declaration_is_refused(fields: dict, message: str) -> None:
    known = {
        "name": "mine", "input_shape": (2,), "train_counts": (1,), "test_counts": (1,),
        "mean": (0.0, 0.0), "std": (1.0, 1.0), "class_names": ("a",),
    }  # fmt: skip
    with pytest.raises(DataError, match=message):
        DatasetInfo(**{**known, **fields})


def test_labels_out_of_range_are_reported(own: tuple[str, ...]) -> None:
    module = __import__("own_rows_for_tests")
    rows, labels = module.blobs.make(60, 1)
    module.Blobs.make = lambda self, samples, seed: (rows[:samples], 10 * labels[:samples])
    with pytest.raises(DataError) as caught:
        run(tiny(*own), executor="inline")
    assert (
        "got [30, 0], and label 10 of sample 1 is not one of 0 to 1 (number them without gaps)"
        in (str(caught.value))
    )
    module.Blobs.make = lambda self, samples, seed: (rows[:samples], labels[:samples] * torch.nan)
    with pytest.raises(DataError, match="labels int64, got float32 and float32"):
        run(tiny(*own), executor="inline")

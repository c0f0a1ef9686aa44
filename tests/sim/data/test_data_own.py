import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cutlayer.sim.data.datasets import DataError, describe, load

MODULE = """
import torch
from cutlayer.sim.data.datasets import Dataset, DatasetInfo

class Stripes:
    calls = []
    info = DatasetInfo(
        name="stripes", input_shape=(1, 4, 4), train_counts=(6, 4), test_counts=({test}),
        mean=(0.5,), std=(0.5,), class_names=("across", "down"), checksum={checksum!r},
        has_test={has_test},
    )
    def __call__(self, data_dir):
        self.calls.append(data_dir)
        train = torch.arange(10 * 16, dtype=torch.float32).view(10, 1, 4, 4) / 160
        labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 0])
        test = torch.zeros({tests}, 1, 4, 4)
        test_labels = torch.tensor({test_labels}, dtype=torch.int64)
        return Dataset(self.info, train, labels, test, test_labels)

stripes = Stripes()
number = 7

def undeclared(data_dir):
    pass

def returns_nothing(data_dir):
    pass
returns_nothing.info = Stripes.info

def changed(data_dir, **changes):
    from dataclasses import replace
    return replace(stripes(data_dir), **changes)

def labels_of_floats(data_dir):
    return changed(data_dir, train_labels=torch.zeros(10))
labels_of_floats.info = Stripes.info

def too_few(data_dir):
    return changed(data_dir, train_images=torch.zeros(9, 1, 4, 4))
too_few.info = Stripes.info

def other_counts(data_dir):
    return changed(data_dir, train_labels=torch.tensor([0] * 9 + [2]))
other_counts.info = Stripes.info
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "own_data_for_tests.py"
    fields = {"test": "1, 2", "tests": 3, "test_labels": [1, 0, 1], "has_test": True}
    path.write_text(fill(fields | {"checksum": None}), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("own_data_for_tests", None)


def fill(fields: dict) -> str:
    text = MODULE
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", str(value)).replace(f"{{{name}!r}}", repr(value))
    return text


@pytest.mark.usefixtures("module")
def test_a_users_set_is_loaded_by_name(tmp_path: Path) -> None:
    dataset = load("own_data_for_tests:stripes", tmp_path)
    assert dataset.info.name == "own_data_for_tests:stripes"
    assert dataset.info.checksum is None
    assert dataset.train_labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0]
    assert dataset.test_labels.tolist() == [1, 0, 1]
    assert dataset.train_images.dtype == torch.float32
    assert sys.modules["own_data_for_tests"].Stripes.calls == [tmp_path]


@pytest.mark.usefixtures("module")
def test_declaring_a_users_set_does_not_load_it(monkeypatch: pytest.MonkeyPatch) -> None:
    info = describe("own_data_for_tests:stripes", train_samples=8)
    assert info.train_counts == (4, 4)
    assert sys.modules["own_data_for_tests"].Stripes.calls == []
    monkeypatch.delenv("CUTLAYER_DATA_DIR", raising=False)
    dataset = load(info)
    assert sys.modules["own_data_for_tests"].Stripes.calls == [None]
    assert dataset.train_labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]


def test_a_users_set_without_a_test_split_can_be_split(module: Path) -> None:
    fields = {"test": "0, 0", "tests": 0, "test_labels": [], "has_test": False}
    module.write_text(fill(fields | {"checksum": "stripes-1"}), encoding="utf-8")
    info = describe("own_data_for_tests:stripes", test_fraction=0.5)
    assert info.checksum == "stripes-1:1x4x4:test_fraction=0.5,seed=0:train=5,test=5"
    dataset = load(info)
    assert torch.bincount(dataset.train_labels).tolist() == [3, 2]
    both = torch.cat([dataset.train_images, dataset.test_images]).flatten().sort().values
    assert torch.equal(both, torch.arange(160) / 160)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:x", "imported: there is no module no_such_module_here in "),
        ("own_data_for_tests:nothing", "has no attribute 'nothing'"),
        (":x", "cannot be imported"),
        ("own_data_for_tests:", "cannot be imported"),
        ("own_data_for_tests:number", "must be a callable (data_dir) -> Dataset"),
        ("torch.utils.data:TensorDataset", "is a torch Dataset: write {torch: 'torch.utils.d"),
        ("own_data_for_tests:undeclared", "with an attribute info: DatasetInfo"),
        ("own_data_for_tests:returns_nothing", "must return a Dataset of tensors"),
        ("own_data_for_tests:labels_of_floats", "labels int64, got float32 and float32"),
        ("own_data_for_tests:too_few", "declares train images of shape (10, 1, 4, 4), got (9, "),
        ("own_data_for_tests:other_counts", "declares [6, 4] train samples per class, got [9, 0]"),
    ],
)
def test_an_invalid_users_set_is_refused_with_one_sentence(name: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


TARGETS = """
import torch
from cutlayer.sim.data.datasets import Dataset, DatasetInfo

COMMON = dict(train_counts=(6,), test_counts=(0,), class_names=(), has_test=False)
rows_info = DatasetInfo(
    name="rows", input_shape=(3,), mean=(0.0,) * 3, std=(1.0,) * 3, target_type="number",
    target_shape=(2,), **COMMON,
)
text_info = DatasetInfo(
    name="text", input_shape=(4,), mean=(), std=(), input_type="token", target_type="token",
    vocabulary=5, **COMMON,
)

def rows(data_dir):
    x = torch.arange(18.0).view(6, 3)
    y = x[:, :2] / 2
    return Dataset(rows_info, x, y, x[:0], y[:0])
rows.info = rows_info

def text(data_dir):
    x = torch.arange(24).view(6, 4) % 5
    return Dataset(text_info, x, (x + 1) % 5, x[:0], x[:0])
text.info = text_info

def changed(what, **changes):
    from dataclasses import replace
    def own(data_dir):
        return replace(what(data_dir), **changes)
    own.info = what.info
    return own

float64 = changed(rows, train_labels=torch.zeros(6, 2, dtype=torch.float64))
shape = changed(rows, train_labels=torch.zeros(6))
nan = changed(rows, train_labels=torch.full((6, 2), torch.nan))
float_tokens = changed(text, train_images=torch.zeros(6, 4))
unknown_token = changed(text, train_images=torch.full((6, 4), 5))
rows_with_padding = torch.ones(6, 4).long().masked_fill(torch.ones(6, 4).tril(-1) == 1, -100)
padded_target = changed(text, train_labels=rows_with_padding)
only_padding = changed(text, train_labels=torch.full((6, 4), -100))
unknown_target = changed(text, train_labels=torch.full((6, 4), -1))
"""


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "own_targets_for_tests"
    (tmp_path / f"{name}.py").write_text(TARGETS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_targets_may_be_numbers_and_are_divided_with_their_inputs(targets: str) -> None:
    info = describe(f"{targets}:rows", test_fraction=0.5)
    assert (info.train_samples, info.test_samples) == (3, 3)
    assert (info.output_shape, info.target_bytes) == ((2,), 8)
    dataset = load(info)
    for inputs, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        assert labels.dtype == torch.float32
        assert torch.equal(labels, inputs[:, :2] / 2)
    assert dataset.train_classes.tolist() == [0, 0, 0]


def test_inputs_and_targets_may_be_tokens(targets: str) -> None:
    info = describe(f"{targets}:text", train_samples=5)
    assert (info.output_shape, info.target_bytes) == ((4, 5), 32)
    dataset = load(info)
    assert dataset.train_images.dtype == torch.int64
    assert torch.equal(dataset.train_labels, (dataset.train_images + 1) % 5)
    assert (dataset.test_images.shape, dataset.test_labels.shape) == ((0, 4), (0, 4))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("float64", "must be uint8 or float32 and labels float32, got float32 and float64"),
        ("shape", r"with labels of shape \(6,\), expected \(6, 2\)"),
        ("nan", "the label of train sample 0 holds NaN or infinity"),
        ("float_tokens", "must be int64 and labels int64, got float32 and int64"),
        (
            "unknown_token",
            "train inputs hold tokens from 5 to 5, and its vocabulary of 5 has 0 to 4",
        ),
        ("only_padding", "the label of train sample 0 is nothing but padding"),
        ("padded_target", "the label of train sample 4 is nothing but padding"),
        ("unknown_target", "train labels hold tokens from -1 to -1"),
    ],
)
def test_wrong_inputs_and_targets_are_refused(targets: str, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(f"{targets}:{name}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary": None}, "tokens need a vocabulary"),
        ({"input_shape": (2, 4)}, r"tokens have an input_shape of \(length,\)"),
        ({"mean": (0.0,)}, "tokens have no mean and std"),
        ({"train_counts": (3, 3), "test_counts": (0, 0)}, "has one count of all samples"),
        ({"target_shape": (2,)}, "target_shape is for targets that are numbers"),
        ({"target_type": "number", "target_shape": (0,)}, "target_shape must be positive"),
    ],
)
def test_a_declaration_of_targets_must_fit(targets: str, changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(describe(f"{targets}:text"), **changes)


def test_samples_without_classes_are_counted_together(targets: str) -> None:
    with pytest.raises(DataError, match="must be 1 or more, up to 6, or all 6, got 7"):
        describe(f"{targets}:rows", train_samples=7)

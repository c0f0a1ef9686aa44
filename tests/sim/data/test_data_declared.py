import subprocess
import sys
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.data.datasets import DATASETS, READERS, describe
from cutlayer.sim.data.info import DataError, DatasetInfo, Selection, split_counts

OFFICIAL = {
    "digits": (1797, 0, 10),
    "cifar10": (50_000, 10_000, 10),
    "cifar100": (50_000, 10_000, 100),
    "mnist": (60_000, 10_000, 10),
    "fashion_mnist": (60_000, 10_000, 10),
}


def test_the_catalogue_has_the_official_sizes() -> None:
    sizes = {
        name: (info.train_samples, info.test_samples, info.classes)
        for name, info in DATASETS.items()
    }
    assert sizes == OFFICIAL
    assert set(READERS) == set(DATASETS)
    for info in DATASETS.values():
        assert len(set(info.class_names)) == info.classes


def test_declaring_needs_neither_torch_nor_sklearn_nor_files() -> None:
    code = (
        "import sys; from cutlayer.sim.data import augment, batches, partition, datasets as d; "
        "d.describe('digits', test_fraction=0.2); d.describe('cifar10', train_samples=5000); "
        "assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_balanced_subset_takes_as_many_of_each_class() -> None:
    info = describe("cifar10", train_samples=20_000, test_samples=4000)
    assert info.train_counts == (2000,) * 10
    assert info.test_counts == (400,) * 10
    assert info.checksum == "cifar10:3x32x32:train=20000,test=4000"


def test_the_full_count_of_an_unbalanced_set_is_allowed() -> None:
    assert describe("mnist", train_samples=60_000).train_counts == DATASETS["mnist"].train_counts
    assert describe("mnist", train_samples=60_000).checksum == describe("mnist").checksum


def test_digits_are_split_by_class_with_halves_rounded_up() -> None:
    info = describe("digits", test_fraction=0.25)
    assert info.test_counts == (45, 46, 44, 46, 45, 46, 45, 45, 44, 45)  # 178 / 4 = 44.5
    whole = zip(info.train_counts, info.test_counts, strict=True)
    assert tuple(a + b for a, b in whole) == DATASETS["digits"].train_counts


@given(st.lists(st.integers(2, 10_000), min_size=1, max_size=20), st.integers(1, 99).map(Fraction))
def test_test_counts_are_the_exact_fraction_rounded_half_up(
    counts: list[int], percent: Fraction
) -> None:
    expected = [floor(n * percent / 100 + Fraction(1, 2)) for n in counts]
    if all(0 < t < n for t, n in zip(expected, counts, strict=True)):
        assert list(split_counts("any", counts, float(percent / 100))) == expected
    else:
        with pytest.raises(DataError, match="needs at least one"):
            split_counts("any", counts, float(percent / 100))


def test_a_fraction_is_exact_in_decimals() -> None:
    """The binary number nearest to 0.15 is smaller, so 10 x 0.15 would be rounded down."""
    assert split_counts("any", [10, 30], 0.15) == (2, 5)


def test_a_subset_is_taken_after_the_split() -> None:
    info = describe("digits", test_fraction=0.2, train_samples=1000, test_samples=300)
    assert (info.train_counts, info.test_counts) == ((100,) * 10, (30,) * 10)


def test_every_option_that_changes_the_samples_changes_the_identity() -> None:
    base = {"train_samples": 1000, "test_samples": 200, "test_fraction": 0.2, "seed": 0}
    changes = [
        {},
        {"train_samples": 990},
        {"test_samples": 190},
        {"test_fraction": 0.21},
        {"seed": 1},
    ]
    identities = [describe("digits", **base | change).checksum for change in changes]
    identities += [describe("mnist").checksum, describe("fashion_mnist").checksum]
    identities += [describe("mnist", input_shape=(1, 28, 28)).checksum]
    assert None not in identities
    assert len(set(identities)) == len(identities)


def test_a_seed_without_a_split_does_not_change_the_identity() -> None:
    assert describe("cifar10", seed=1).checksum == describe("cifar10", seed=2).checksum


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cifar11", {}, "unknown data set 'cifar11'; did you mean 'cifar10'?"),
        ("qqq", {}, "known are digits, cifar10, cifar100, mnist, fashion_mnist"),
        ("cifar10", {"train_samples": 15}, "a multiple of the 10 classes up to 50000"),
        ("cifar10", {"train_samples": 0}, "train_samples must be a multiple"),
        ("cifar10", {"train_samples": -10}, "train_samples must be a multiple"),
        ("cifar100", {"test_samples": 10_100}, "up to 10000, or all 10000, got 10100"),
        ("mnist", {"train_samples": 54_220}, "up to 54210, or all 60000"),
        ("cifar10", {"test_fraction": 0.1}, "10000 test samples of its own"),
        ("digits", {"test_samples": 100}, "test_samples needs test_fraction"),
        ("digits", {"test_fraction": 1.0}, "must lie between 0 and 1, got 1.0"),
        ("digits", {"test_fraction": float("nan")}, "must lie between 0 and 1, got nan"),
        ("digits", {"test_fraction": 0.001}, "puts 0 of the 178 samples of class 0"),
        ("cifar10", {"input_shape": (3, 64, 64)}, "must be 3x32x32, got 3x64x64"),
        ("mnist", {"input_shape": (3, 28, 28)}, "must be 3x32x32 or 1x28x28, got 3x28x28"),
    ],
)
def test_an_impossible_request_is_refused_with_one_sentence(
    name: str, options: dict, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        describe(name, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_counts": (1,)}, "test_counts has 1 entries, expected one per class (2)"),
        ({"class_names": ("a",)}, "class_names has 1 entries"),
        ({"mean": (0.5, 0.5)}, "one value per channel (1)"),
        ({"std": (0.0,)}, "std above 0"),
        ({"train_counts": (3, -1)}, "0 or more"),
    ],
)
def test_an_inconsistent_declaration_is_refused(change: dict, message: str) -> None:
    declared = {
        "name": "mine",
        "input_shape": (1, 8, 8),
        "train_counts": (3, 4),
        "test_counts": (1, 1),
        "mean": (0.5,),
        "std": (0.5,),
        "class_names": ("a", "b"),
    }
    assert DatasetInfo(**declared).select(Selection()).checksum is None
    with pytest.raises(DataError) as caught:
        DatasetInfo(**declared | change)
    assert message in str(caught.value)

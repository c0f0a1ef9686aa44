import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cutlayer.sim.data.datasets import DataError, Dataset, describe, load
from cutlayer.sim.data.readers import digits


@pytest.fixture(scope="module")
def split() -> Dataset:
    return load(describe("digits", test_fraction=0.2))


def test_enlarged_digits_equal_torchs_bilinear_interpolation() -> None:
    images = load_digits().images
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None], size=(32, 32), mode="bilinear", align_corners=False
    ) * (255 / 16)
    difference = expected[:, 0] - torch.from_numpy(digits.enlarge(images.astype(np.int64)))
    assert difference.abs().max() <= 0.5 + 1e-9


def test_loaded_digits_match_their_declaration(split: Dataset) -> None:
    assert split.train_images.shape == (1438, 3, 32, 32)
    assert split.train_images.dtype == torch.uint8
    assert split.train_labels.dtype == torch.int64
    assert tuple(torch.bincount(split.train_labels).tolist()) == split.info.train_counts
    assert tuple(torch.bincount(split.test_labels).tolist()) == split.info.test_counts
    assert (split.train_images[:, 0] == split.train_images[:, 2]).all()


def test_the_split_uses_every_digit_once(split: Dataset) -> None:
    """All 1,797 images differ, so a multiset of images is a set of samples."""
    whole = load("digits")
    assert len(whole.test_images) == 0
    everything = sorted(image.numpy().tobytes() for image in whole.train_images)
    assert len(set(everything)) == 1797
    both = torch.cat([split.train_images, split.test_images])
    assert sorted(image.numpy().tobytes() for image in both) == everything


def test_the_split_depends_on_its_seed(split: Dataset) -> None:
    again = load(describe("digits", test_fraction=0.2))
    other = load(describe("digits", test_fraction=0.2, seed=1))
    assert again.identity == split.identity
    assert other.identity != split.identity
    assert other.info.test_counts == split.info.test_counts


def test_a_subset_is_the_first_of_each_class_of_its_split(split: Dataset) -> None:
    subset = load(describe("digits", test_fraction=0.2, train_samples=50, test_samples=20))
    for name, each in (("train", 5), ("test", 2)):
        labels = getattr(split, f"{name}_labels").tolist()
        seen = [0] * 10
        first = []
        for index, label in enumerate(labels):
            seen[label] += 1
            if seen[label] <= each:
                first.append(index)
        images = getattr(split, f"{name}_images")[first]
        assert torch.equal(getattr(subset, f"{name}_images"), images)


def test_digits_that_differ_from_the_declaration_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digits, "CONTENT", "0" * 32)
    with pytest.raises(DataError, match="installed scikit-learn differ"):
        load(describe("digits", test_fraction=0.2))


def test_declared_mean_and_deviation_match_the_images() -> None:
    whole = load("digits")
    pixels = whole.train_images[:, 0].double() / 255
    assert pixels.mean().item() == pytest.approx(whole.info.mean[0], abs=5e-5)
    assert pixels.std().item() == pytest.approx(whole.info.std[0], abs=5e-5)

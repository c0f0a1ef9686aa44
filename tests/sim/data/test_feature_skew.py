"""Feature skew: levels of each client, and what they do to its inputs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_runs import digits, tiny

from cutlayer import run
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.data.datasets import Dataset, DatasetInfo
from cutlayer.sim.data.feature_skew import FeatureSkew, rotated
from cutlayer.sim.data.given_split import GivenPartition

HELD = GivenPartition.of([np.array([0, 3]), np.array([1]), np.array([], np.int64)])


def images(values: torch.Tensor) -> Dataset:
    n = len(values)
    labels = torch.zeros(n, dtype=torch.int64)
    shape = tuple(values.shape[1:])
    info = DatasetInfo("d", shape, (n,), (0,), (0.0,) * shape[0], (2.0,) * shape[0], ("c",))
    return Dataset(info, values, labels, values[:0], labels[:0])


def test_levels_are_uniform_and_do_not_depend_on_other_clients() -> None:
    skew = FeatureSkew(noise=0.4, rotation=30, contrast=0.5)
    drawn = np.array([skew.levels(0, client) for client in range(2000)])
    assert skew.levels(0, 7) == tuple(drawn[7])
    assert skew.levels(1, 7) != tuple(drawn[7])
    for values, low, high in zip(drawn.T, (0, -30, 0.5), (0.4, 30, 1.5), strict=True):
        assert low <= values.min() < values.max() <= high
        error = (high - low) / np.sqrt(12 * len(values))
        assert abs(values.mean() - (low + high) / 2) < 4 * error


def test_a_client_has_noise_of_its_level_and_others_samples_stay() -> None:
    grey = torch.full((5, 3, 64, 64), 128, dtype=torch.uint8)
    skew = FeatureSkew(noise=0.2)
    changed = skew.apply(images(grey), HELD, 0).train_images
    assert changed.dtype == torch.uint8
    assert changed[[2, 4]].equal(grey[[2, 4]])  # of no client
    for sample, client in ((0, 0), (3, 0), (1, 1)):
        level = skew.levels(0, client).noise
        noise = changed[sample].double() / 255 - 128 / 255
        # Rounding to bytes adds 1 / 12 of a step squared.
        expected = np.sqrt(level**2 + (1 / 255) ** 2 / 12)
        assert noise.std().item() == pytest.approx(expected, rel=0.05)
    assert not changed[0].equal(changed[3])
    assert (grey == 128).all()


def test_rows_have_noise_in_their_deviations() -> None:
    rows = torch.zeros(4, 10_000)
    skew = FeatureSkew(noise=1.0)
    changed = skew.apply(images(rows), HELD, 0).train_images
    assert changed[0].std().item() == pytest.approx(2 * skew.levels(0, 0).noise, rel=0.05)
    assert (changed[2] == 0).all()


def test_windows_have_noise_in_the_deviations_of_their_columns() -> None:
    windows = images(torch.zeros(4, 2, 10_000))
    windows = replace(windows, info=replace(windows.info, std=(2.0, 0.5)))
    skew = FeatureSkew(noise=1.0)
    first = skew.apply(windows, HELD, 0).train_images[0]
    level = skew.levels(0, 0).noise
    assert first.std(dim=1).tolist() == pytest.approx([2 * level, level / 2], rel=0.05)
    assert first.min() < 0  # nothing is cut off, as pixels are


def test_samples_without_classes_are_changed_as_well() -> None:
    rows = images(torch.zeros(4, 100))
    info = replace(rows.info, target_type="number", class_names=())
    changed = FeatureSkew(noise=1.0).apply(
        replace(rows, info=info, train_labels=torch.rand(4)), HELD, 0
    )
    assert changed.train_images.equal(FeatureSkew(noise=1.0).apply(rows, HELD, 0).train_images)


def test_a_rotation_turns_counter_clockwise() -> None:
    picture = np.zeros((1, 2, 5, 5), np.float32)
    picture[0, 0, 2, 4] = 1  # in the middle of the right border
    picture[0, 1] = 1
    quarter = rotated(picture, 90)
    assert quarter[0, 0, 0, 2] == pytest.approx(1)  # in the middle of the top
    assert quarter[0, 0].sum() == pytest.approx(1)
    assert np.allclose(quarter[0, 1], 1, atol=1e-5)
    back = rotated(rotated(picture, 90), -90)
    assert np.allclose(back, picture, atol=1e-5)
    eighth = rotated(picture, 45)
    assert eighth[0, 1, 2, 2] == pytest.approx(1)
    # The corner is 2 sqrt(2) away from the centre, and so comes from 2 sqrt(2) - 2 beyond the border.
    assert eighth[0, 1, 0, 0] == pytest.approx(3 - 2 * np.sqrt(2))


def test_contrast_scales_differences_from_the_mean() -> None:
    values = torch.tensor([0.4, 0.6]).repeat(2, 1).view(2, 1, 1, 2)
    skew = FeatureSkew(contrast=0.5)
    held = GivenPartition.of([np.array([0]), np.array([1])])
    changed = skew.apply(images(values), held, 0).train_images
    for client in (0, 1):
        factor = skew.levels(0, client).contrast
        expected = [0.5 - 0.1 * factor, 0.5 + 0.1 * factor]
        assert changed[client].flatten().tolist() == pytest.approx(expected)


def test_grey_images_stay_grey() -> None:
    dataset = digits(0)
    held = GivenPartition.of([np.arange(10)])
    changed = FeatureSkew(noise=0.3).apply(dataset, held, 0).train_images
    assert changed.shape == dataset.train_images.shape
    assert changed[:, 0].equal(changed[:, 2])
    assert not changed[:10].equal(dataset.train_images[:10])
    assert changed[10:].equal(dataset.train_images[10:])


def test_a_scenario_trains_on_skewed_inputs_with_a_digest_of_its_own() -> None:
    found = {}
    for skew in ("null", "{noise: 0.5}", "{noise: 0.4}"):
        loaded = tiny(f"data.feature_skew={skew}", "training.rounds=1")
        (timed,) = run(loaded, executor="none")[0].methods.values()
        (result,) = run(loaded, executor="inline")
        (trained,) = result.methods.values()
        assert timed.learning_digest == trained.learning_digest
        assert timed.event_digest == trained.event_digest
        found[skew] = trained.learning_digest, result.versions["data"]
    digests, contents = zip(*found.values(), strict=True)
    assert len(set(digests)) == len(set(contents)) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("feature_skew={}", "must have noise, rotation or contrast"),
        ("feature_skew={noise: 0}", "must be greater than 0"),
        ("feature_skew={rotation: 181}", "must be at most 180"),
        ("feature_skew={contrast: 1.5}", "must be at most 1"),
    ],
)
def test_impossible_levels_are_refused(data: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(f"data.{data}")


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="must not have feature_skew with overlap: true"):
        tiny(
            "data.partition={file: {path: a.json, overlap: true}}", "data.feature_skew={noise: 0.1}"
        )


def test_no_skew_is_the_same_data_set() -> None:
    plan = plan_checked(tiny(), trains=True)[0]
    assert plan.skewed(digits(0)) is digits(0)
    assert replace(plan, seed=1).skewed(digits(0)) is digits(0)

import numpy as np
import pytest
import torch

from cutlayer.sim.data.augment import Augmentation

KEY = {"seed": 0, "client": 3, "round_index": 5, "epoch": 1, "batch": 2}


def some_images(n: int = 6, shape: tuple[int, int, int] = (3, 32, 32)) -> torch.Tensor:
    return torch.arange(1, 1 + n * np.prod(shape), dtype=torch.float32).view(n, *shape)


def crops(image: np.ndarray, padding: int) -> dict[tuple[int, int, bool], bytes]:
    """Return all possible outcomes, pixel by pixel."""
    height, width = image.shape[1:]
    outcomes = {}
    for down in range(-padding, padding + 1):
        for right in range(-padding, padding + 1):
            moved = np.zeros_like(image)
            for row in range(height):
                for column in range(width):
                    r, c = row + down, column + right
                    if 0 <= r < height and 0 <= c < width:
                        moved[:, row, column] = image[:, r, c]
            outcomes[down, right, False] = moved.tobytes()
            outcomes[down, right, True] = moved[:, :, ::-1].tobytes()
    return outcomes


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_each_image_is_one_of_the_possible_crops_and_flips_of_itself(dtype: torch.dtype) -> None:
    images = (some_images(200, (2, 5, 7)) % 251).to(dtype)
    augmented = Augmentation(crop=True, flip=True, padding=1).apply(images, **KEY)
    assert augmented.dtype == dtype
    assert augmented.shape == images.shape
    seen = []
    for before, after in zip(images.numpy(), augmented.numpy(), strict=True):
        outcomes = crops(before, 1)
        matching = [move for move, outcome in outcomes.items() if outcome == after.tobytes()]
        assert len(matching) == 1
        seen += matching
    assert set(seen) == set(outcomes)  # 18 outcomes, 200 images: P(one is missed) < 2e-4


def test_crops_and_flips_are_uniform() -> None:
    """Theory: counts of k equally likely outcomes, within 4 standard deviations."""
    n = 8100
    places = torch.zeros(n, 1, 9, 9)
    places[:, 0, 4, 4] = 1
    moved = Augmentation(crop=True, flip=False).apply(places, **KEY)
    counts = moved.sum(dim=0).flatten().numpy()
    assert counts.sum() == n
    assert np.abs(counts - n / 81).max() < 4.5 * np.sqrt(n / 81 * (80 / 81))
    marked = torch.zeros(n, 1, 1, 2)
    marked[:, 0, 0, 0] = 1
    flipped = Augmentation(crop=False, flip=True).apply(marked, **KEY)[:, 0, 0, 1].sum()
    assert abs(flipped - n / 2) < 4 * np.sqrt(n / 4)


def test_flips_alone_mirror_left_and_right() -> None:
    images = some_images(20)
    flipped = Augmentation(crop=False, flip=True).apply(images, **KEY)
    same = (flipped == images).flatten(1).all(dim=1)
    mirrored = (flipped == images.flip(3)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert same.any()
    assert mirrored.any()


def test_images_are_unchanged_if_both_are_off() -> None:
    images = some_images()
    assert Augmentation(crop=False, flip=False).apply(images, **KEY) is images


@pytest.mark.parametrize(("crop", "flip"), [(True, False), (False, True)])
def test_every_part_of_the_key_changes_the_draw(crop: bool, flip: bool) -> None:
    images = some_images(40)

    def outcome(**change: int) -> bytes:
        return Augmentation(crop, flip).apply(images, **KEY | change).numpy().tobytes()

    outcomes = [outcome(), *(outcome(**{name: value + 1}) for name, value in KEY.items())]
    assert outcome() == outcomes[0]
    assert len(set(outcomes)) == len(outcomes)


def test_flips_do_not_change_when_crops_are_off() -> None:
    marked = torch.zeros(50, 1, 32, 32)
    marked[:, :, :, :16] = 1  # the bright half stays on its side in any crop by 4
    both = Augmentation(crop=True, flip=True).apply(marked, **KEY)[:, 0, 16, 6]
    alone = Augmentation(crop=False, flip=True).apply(marked, **KEY)[:, 0, 16, 6]
    assert torch.equal(both, alone)


def test_an_expanded_grey_channel_can_be_augmented() -> None:
    grey = some_images(4, (1, 32, 32))
    wide = Augmentation(crop=True, flip=True).apply(grey.expand(-1, 3, -1, -1), **KEY)
    narrow = Augmentation(crop=True, flip=True).apply(grey, **KEY)
    assert torch.equal(wide, narrow.expand(-1, 3, -1, -1))

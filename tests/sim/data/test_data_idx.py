import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from cutlayer.sim.data.datasets import DataError, describe, load


def idx(array: np.ndarray) -> bytes:
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


def some_images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, 28, 28), dtype=np.uint8), random.permutation(n) % 10


def write(folder: Path, *, compressed: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    folder.mkdir(parents=True, exist_ok=True)
    written = {"train": some_images(60, 0), "t10k": some_images(30, 1)}
    for prefix, (images, labels) in written.items():
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{prefix}-{name}-ubyte{'.gz' if compressed else ''}"
            path.write_bytes(gzip.compress(idx(array)) if compressed else idx(array))
    return written


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "MNIST/raw"),
        ("mnist", "."),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("fashion_mnist", "fashion-mnist"),
        ("fashion_mnist", "."),
    ],
)
def test_images_are_read_from_every_folder_and_padded(
    tmp_path: Path, name: str, folder: str, compressed: bool
) -> None:
    written = write(tmp_path / folder, compressed=compressed)
    dataset = load(describe(name, train_samples=60, test_samples=30), tmp_path)
    assert dataset.train_images.shape == (60, 3, 32, 32)
    assert dataset.train_images.dtype == torch.uint8
    for channel in range(3):
        inner = dataset.train_images[:, channel, 2:30, 2:30]
        assert (inner.numpy() == written["train"][0]).all()
    assert dataset.train_images.long().sum() == 3 * written["train"][0].astype(int).sum()
    assert dataset.test_labels.tolist() == written["t10k"][1].tolist()


def test_images_can_be_loaded_unpadded(tmp_path: Path) -> None:
    written = write(tmp_path, compressed=False)
    info = describe("mnist", train_samples=60, test_samples=30, input_shape=(1, 28, 28))
    dataset = load(info, tmp_path)
    assert (dataset.test_images[:, 0].numpy() == written["t10k"][0]).all()
    assert len(info.mean) == len(info.std) == 1


def test_two_sets_side_by_side_are_kept_apart(tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw", compressed=False)
    with pytest.raises(DataError, match="fashion_mnist was not found in"):
        load(describe("fashion_mnist", train_samples=60, test_samples=30), tmp_path)


def test_fashion_mnist_is_not_taken_for_mnist(tmp_path: Path) -> None:
    """MNIST has 5,421 fives, Fashion-MNIST 6,000 of every class."""
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((54_220, 28, 28))))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(54_220) % 10))
    with pytest.raises(DataError, match="found 5,422 train samples of class 5, but mnist has 5,42"):
        load(describe("mnist", train_samples=60), tmp_path)


TRAIN = idx(some_images(60, 0)[0])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("images-idx3", b"", "found an empty file"),
        ("images-idx3", TRAIN[:10], "expected an IDX header starting 00 00 08 03"),
        ("images-idx3", b"\0\0\x09\x03" + TRAIN[4:], "found 00 00 09 03"),
        ("images-idx3", TRAIN[:-1], "60 x 28 x 28 = 47,040 bytes, found 47,039"),
        ("images-idx3", TRAIN + b"x", "60 x 28 x 28 = 47,040 bytes, found more"),
        ("images-idx3", b"\0\0\x08\x03" + b"\xff" * 12, "79,228,162,458,924,105,385,300,197,375"),
        ("images-idx3", idx(np.zeros((60, 28, 27))), "28 x 28 pixels, found 28 x 27"),
        ("labels-idx1", idx(np.zeros(59)), "each of the 60 images of train-images-idx3-ubyte"),
        ("labels-idx1", idx(np.full(60, 10)), "record 0 has label 10, expected 0 to 9"),
        ("labels-idx1", TRAIN, "expected an IDX header starting 00 00 08 01"),
    ],
)
def test_a_damaged_file_is_reported(
    tmp_path: Path, file: str, content: bytes, message: str
) -> None:
    write(tmp_path, compressed=False)
    path = tmp_path / f"train-{file}-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(describe("mnist", train_samples=60, test_samples=30), tmp_path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        TRAIN,
        gzip.compress(TRAIN, mtime=0)[:-500],
        gzip.compress(TRAIN, mtime=0)[:20] + b"\0" * 5000,
    ],
)
def test_a_damaged_gzip_file_is_reported(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, compressed=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: cannot be read \("):
        load(describe("mnist", train_samples=60, test_samples=30), tmp_path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    write(tmp_path, compressed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="neither t10k-labels-idx1-ubyte nor"):
        load(describe("mnist", train_samples=60, test_samples=30), tmp_path)

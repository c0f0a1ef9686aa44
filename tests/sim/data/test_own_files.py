"""Folders of images, `.npz` files and torch datasets as data sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cutlayer.models.own_object import forbid_user_code, looking_in
from cutlayer.sim.data.arrays import ArrayNames, ArrayOptions, npz_declaration
from cutlayer.sim.data.datasets import Dataset, describe, load
from cutlayer.sim.data.image_folder import images_declaration
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.torch_set import torch_declaration

SHAPE = (3, 4, 6)


def loaded(info: DatasetInfo) -> Dataset:
    return load(describe(info))


def picture(path: Path, colour: Any, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    picture(folder / "red" / "b.png", (255, 0, 0))
    picture(folder / "red" / "a.JPG", (200, 0, 0), (12, 8))
    picture(folder / "red" / "more" / "c.png", (100, 0, 0))
    picture(folder / "blue" / "a.png", (0, 0, 255))
    picture(folder / "blue" / "grey.png", 51, mode="L")
    (folder / "blue" / "notes.txt").write_text("not an image", encoding="utf-8")
    (folder / ".hidden").mkdir()
    return folder


def test_the_class_of_an_image_is_its_folder(photos: Path) -> None:
    info = images_declaration(photos, None, SHAPE)
    assert info.class_names == ("blue", "red")
    assert info.train_counts == (2, 3)
    data = loaded(info)
    assert data.train_labels.tolist() == [0, 0, 1, 1, 1]
    assert data.train_images.dtype == torch.uint8
    assert data.train_images[:, :, 0, 0].tolist()[:2] == [[0, 0, 255], [51, 51, 51]]
    assert data.train_images[2, 0].float().mean() == pytest.approx(200, abs=3)  # JPEG is lossy
    pixels = data.train_images.double() / 255
    assert info.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert info.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())


def test_grey_images_and_the_classes_of_a_test_split(photos: Path, tmp_path: Path) -> None:
    picture(tmp_path / "test" / "red" / "x.png", 255, mode="L")
    info = images_declaration(photos, tmp_path / "test", (1, 2, 2))
    assert info.test_counts == (0, 1)
    assert loaded(info).test_images.tolist() == [[[[255, 255], [255, 255]]]]
    picture(tmp_path / "test" / "rod" / "x.png", 255, mode="L")
    with pytest.raises(DataError, match=r"has the class 'rod', which .*; did you mean 'red'\?"):
        images_declaration(photos, tmp_path / "test", (1, 2, 2))


def test_mistakes_in_a_folder_are_one_sentence(photos: Path, tmp_path: Path) -> None:
    def refuses(message: str, path: Path = photos, shape: tuple[int, ...] = SHAPE) -> None:
        with pytest.raises(DataError) as caught:
            images_declaration(path, None, shape)
        assert message in str(caught.value), caught.value
        assert "\n" not in str(caught.value)

    refuses("input_shape must be [1, height, width] (grey)", shape=(2, 4, 4))
    refuses("input_shape must be", shape=(12,))
    refuses("is not a folder", tmp_path / "gone")
    refuses(
        "has no subfolders: expected one with the images of each class", photos / "red" / "more"
    )
    cut = photos / "red" / "cut.png"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:500])
    refuses(f"{cut}: cannot be decoded (")
    cut.write_bytes(b"no image at all")
    refuses(f"{cut}: is not an image that Pillow can read")
    cut.unlink()
    (photos / "empty").mkdir()
    refuses(f"{photos / 'empty'}: has no images (.png, .jpg")
    for name in ("train", "test"):
        picture(tmp_path / "splits" / name / "a.png", 0, mode="L")
    refuses("its subfolders test and train look like splits, not classes", tmp_path / "splits")


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def npz(path: Path, test: Path | None = None, **options: Any) -> DatasetInfo:
    return npz_declaration(path, test, ArrayOptions(**options))


PIXELS = np.arange(4 * 2 * 2, dtype=np.uint8).reshape(4, 2, 2)
LABELS = np.array([[7], [3], [7], [5]])


def test_names_and_layouts_of_keras_and_medmnist_are_known(tmp_path: Path) -> None:
    keras = write(
        tmp_path / "a.npz", x_train=PIXELS, y_train=LABELS[:, 0], x_test=PIXELS[:1], y_test=[3]
    )
    info = npz(keras)
    assert info.class_names == ("3", "5", "7")
    assert info.input_shape == (1, 2, 2)
    data = loaded(info)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.tolist() == [2, 0, 2, 1]
    assert data.test_labels.tolist() == [0]
    colour = np.stack([PIXELS] * 3, axis=-1)  # with channels last
    names = {"train_images": colour, "train_labels": LABELS}
    of_medmnist = write(tmp_path / "b.npz", **names, val_images=colour, val_labels=LABELS)
    data = loaded(npz(of_medmnist))
    assert data.train_images.shape == (4, 3, 2, 2)
    assert data.train_images[:, 2].equal(torch.from_numpy(PIXELS))
    assert not data.info.has_test


def test_arrays_by_name_and_in_two_files(tmp_path: Path) -> None:
    rows = np.arange(8, dtype=np.float64).reshape(4, 2)
    train = write(tmp_path / "a.npz", rows=rows, kinds=np.array(["b", "a", "b", "c"]))
    test = write(tmp_path / "b.npz", rows=rows[:2], kinds=np.array(["a", "d"]))
    info = npz(train, test, names=ArrayNames("rows", "kinds"))
    assert info.class_names == ("a", "b", "c", "d")
    assert (info.train_counts, info.test_counts) == ((1, 2, 1, 0), (1, 0, 0, 1))
    assert loaded(info).train_images.dtype == torch.float32
    both = write(tmp_path / "c.npz", a=rows, b=[0, 1, 0, 1], c=rows[:1], d=[1])
    assert npz(both, names=ArrayNames("a", "b", "c", "d")).test_counts == (0, 1)
    flat = write(tmp_path / "d.npz", x=np.arange(16.0).reshape(4, 4), y=[0, 1, 0, 1])
    info = npz(flat, input_shape=(1, 2, 2), value_range=(0.0, 15.0))
    assert loaded(info).train_images[3].flatten().tolist() == pytest.approx(
        [0.8, 13 / 15, 14 / 15, 1]
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": PIXELS, "b": LABELS}, "has the arrays a, b: name those of the inputs and labels"),
        ({"x": PIXELS, "y": LABELS[:3]}, "x: has shape (4, 2, 2), and there are 3 labels"),
        ({"x": PIXELS, "y": PIXELS}, "y: expected one label for each sample, got shape (4, 2, 2)"),
        ({"x": PIXELS, "y": [0.5, 1, 1, 1]}, "has labels such as 0.5, not classes"),
        ({"x": PIXELS, "y": [np.nan, 1, 1, 1]}, "has labels such as nan, not classes"),
        (
            {"x": np.zeros((4, 1, 1, 1, 1)), "y": LABELS},
            "are neither rows nor images: give input_shape",
        ),
        ({"x": np.array([["a"]] * 4), "y": LABELS}, "x: holds texts where numbers were expected"),
        ({"x": np.array([[None]] * 4), "y": LABELS}, "holds object where numbers or texts were"),
        (
            {"x": np.full((4, 2), np.inf), "y": LABELS},
            "sample 0, feature 0: holds NaN or infinity",
        ),
    ],
)
def test_mistakes_in_arrays_are_one_sentence(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        npz(write(tmp_path / "a.npz", **arrays))
    assert message in str(caught.value), caught.value
    assert str(tmp_path / "a.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_array_or_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", rows=PIXELS, labels=LABELS)
    with pytest.raises(DataError, match=r"has no array 'row'; did you mean 'rows'\?"):
        npz(path, names=ArrayNames("row", "labels"))
    with pytest.raises(DataError, match=r"gone\.npz: cannot be read: No such file"):
        npz(tmp_path / "gone.npz")
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"a\.npz: is not a sound \.npz file"):
        npz(path)


MODULE = """
import numpy as np, torch
from torch.utils.data import Dataset, TensorDataset

pairs = TensorDataset(torch.arange(8.0).reshape(4, 2), torch.tensor([5, 3, 5, 3]))

def noisy():
    return [(torch.rand(1, 2, 2), "b"), (np.random.rand(1, 2, 2), "a")]

class Images(Dataset):
    def __len__(self):
        return 3
    def __getitem__(self, index):
        return torch.full((3, 2, 2), 80 * index, dtype=torch.uint8), index % 2

class Broken(Images):
    def __getitem__(self, index):
        return {"x": 1} if index else super().__getitem__(index)

class Fails(Images):
    def __getitem__(self, index):
        return 1 / 0

ragged = [([1.0], 0), ([1.0, 2.0], 1)]
texts = [("a", 0)]
unlabelled = [([1.0], [2])]
one_hot = [([1.0], np.array([0, 1]))]

class Endless:
    def __getitem__(self, index):
        return [1.0], 0
half = [([1.0], 0.5)]
none = []
number = 3
"""


@pytest.fixture
def module(tmp_path: Path) -> Any:
    (tmp_path / "my_sets.py").write_text(MODULE, encoding="utf-8")
    with looking_in([str(tmp_path)]):
        yield


def own(name: str, test: str | None = None) -> DatasetInfo:
    return torch_declaration(f"my_sets:{name}", test and f"my_sets:{test}", None)


@pytest.mark.usefixtures("module")
def test_a_torch_dataset_or_what_makes_one() -> None:
    info = own("pairs", "pairs")
    assert info.class_names == ("3", "5")
    assert info.train_counts == info.test_counts == (2, 2)
    assert loaded(info).train_images.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    images = loaded(own("Images"))
    assert images.train_images.dtype == torch.uint8
    assert images.train_images[:, 0, 0, 0].tolist() == [0, 80, 160]
    assert images.train_labels.tolist() == [0, 1, 0]


@pytest.mark.usefixtures("module")
def test_random_samples_are_drawn_once_and_disturb_nothing() -> None:
    before = torch.random.get_rng_state()
    info = own("noisy")
    assert torch.random.get_rng_state().equal(before)
    own("pairs")  # the only one that is kept
    assert own("noisy").checksum == info.checksum
    assert loaded(info).train_labels.tolist() == [1, 0]


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", "'my_sets:gone' cannot be imported: my_sets has no attribute 'gone'"),
        ("number", "'my_sets:number' cannot be called (TypeError: 'int' object is not callable)"),
        ("Broken", "'my_sets:Broken': sample 1 is not a pair of an input and a label"),
        ("Fails", "'my_sets:Fails': sample 0 fails (ZeroDivisionError: division by zero)"),
        ("ragged", "'my_sets:ragged': sample 1 has shape (2,), those before (1,)"),
        ("texts", "'my_sets:texts': sample 0: the input is not an array of numbers"),
        ("unlabelled", "sample 0 has a label that is neither a number nor a text (got list)"),
        ("one_hot", "(got 2 numbers: choose task: regression, or give the number of the class)"),
        ("Endless", "'my_sets:Endless': Endless has no __len__, its number of samples"),
        ("half", "my_sets:half: has labels such as 0.5, not classes"),
        ("none", "'my_sets:none': has no samples"),
    ],
)
def test_mistakes_in_a_torch_dataset_are_one_sentence(name: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        own(name)
    assert message in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("module")
def test_a_torch_dataset_is_users_code() -> None:
    forbid_user_code()
    with pytest.raises(
        DataError, match="'my_sets:pairs' cannot be imported: it is a user's own code"
    ):
        own("pairs")

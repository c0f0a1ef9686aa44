import io
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cutlayer.sim.data.datasets import DataError, describe, load

Records = tuple[np.ndarray, list[int]]


def some_records(n: int, classes: int, seed: int) -> Records:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (n, 3072), dtype=np.uint8)
    return pixels, (random.permutation(n) % classes).tolist()


def write_binary(path: Path, records: Records, coarse: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = b"" if coarse is None else bytes([coarse])
    pixels, labels = records
    rows = (
        head + bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True)
    )
    path.write_bytes(b"".join(rows))


def write_python(path: Path, records: Records, key: str = "labels") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels, labels = records
    content = {"data": pixels, key: labels, "batch_label": "one", "filenames": ["a.png"]}
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_python2(path: Path, records: Records, key: str = "labels") -> None:
    """Write the opcodes of Python 2 and numpy 1, as in the official files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels, labels = records

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        + (number(0) + b"\x85" + text(b"b") + b"tR(")
        + (number(1) + number(pixels.shape[0]) + number(pixels.shape[1]) + b"\x86")
        + (b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R(")
        + (number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb\x89")
        + (b"T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb")
    )
    numbers = b"](" + b"".join(number(label) for label in labels) + b"e"
    path.write_bytes(b"\x80\x02}(" + text(b"data") + array + text(key.encode()) + numbers + b"u.")


WRITERS: dict[str, tuple[str, str, Callable[[Path, Records], None]]] = {
    "binary": ("cifar-10-batches-bin", ".bin", write_binary),
    "python 3": ("cifar-10-batches-py", "", write_python),
    "python 2": ("cifar-10-batches-py", "", write_python2),
}


def write_cifar10(root: Path, layout: str, batches: int = 5, each: int = 40) -> list[Records]:
    folder, suffix, write = WRITERS[layout]
    written = [some_records(each, 10, number) for number in range(batches + 1)]
    for number, records in enumerate(written[:-1], 1):
        write(root / folder / f"data_batch_{number}{suffix}", records)
    write(root / folder / f"test_batch{suffix}", written[-1])
    return written


@pytest.mark.parametrize("layout", WRITERS)
def test_each_layout_returns_the_written_images(tmp_path: Path, layout: str) -> None:
    written = write_cifar10(tmp_path, layout)
    dataset = load(describe("cifar10", train_samples=200, test_samples=40), tmp_path)
    pixels = np.concatenate([records[0] for records in written[:5]])
    assert dataset.train_labels.tolist() == [label for r in written[:5] for label in r[1]]
    assert (dataset.train_images.numpy() == pixels.reshape(-1, 3, 32, 32)).all()
    assert (dataset.test_images.numpy().reshape(40, -1) == written[5][0]).all()
    assert dataset.test_labels.tolist() == written[5][1]
    # Red of the second pixel of the first row, then green of the first pixel.
    assert dataset.train_images[0, 0, 0, 1] == written[0][0][0, 1]
    assert dataset.train_images[0, 1, 0, 0] == written[0][0][0, 1024]


def test_all_layouts_have_the_same_content(tmp_path: Path) -> None:
    identities = []
    for layout in WRITERS:
        write_cifar10(tmp_path / layout, layout)
        info = describe("cifar10", train_samples=200, test_samples=40)
        identities.append(load(info, tmp_path / layout).identity)
    assert len(set(identities)) == 1


def test_a_column_major_array_is_read_correctly(tmp_path: Path) -> None:
    pixels, labels = some_records(20, 10, 0)
    write_python(tmp_path / "data_batch_1", (np.asfortranarray(pixels), labels))
    write_python(tmp_path / "test_batch", (pixels, labels))
    dataset = load(describe("cifar10", train_samples=20, test_samples=20), tmp_path)
    assert torch.equal(dataset.train_images, dataset.test_images)


def test_the_first_of_each_class_are_taken_from_as_few_files_as_needed(tmp_path: Path) -> None:
    written = write_cifar10(tmp_path, "binary", batches=2)
    for path in (tmp_path / "cifar-10-batches-bin").glob("data_batch_2*"):
        path.unlink()
    dataset = load(describe("cifar10", train_samples=30, test_samples=10), tmp_path)
    labels, taken = written[0][1], []
    for index, label in enumerate(labels):
        if labels[:index].count(label) < 3:
            taken.append(index)
    assert (dataset.train_images.numpy().reshape(30, -1) == written[0][0][taken]).all()
    assert dataset.train_labels.tolist() == [labels[index] for index in taken]


def test_a_subset_can_span_unbalanced_files(tmp_path: Path) -> None:
    """The single official batches are not balanced either."""
    pixels, _ = some_records(40, 10, 0)
    labels = [0] * 8 + [*range(1, 10)] + [*range(10)] * 2 + [1, 2, 3]
    write_binary(tmp_path / "data_batch_1.bin", (pixels[:20], labels[:20]))
    write_binary(tmp_path / "data_batch_2.bin", (pixels[20:], labels[20:]))
    write_binary(tmp_path / "test_batch.bin", some_records(10, 10, 1))
    dataset = load(describe("cifar10", train_samples=30, test_samples=10), tmp_path)
    taken = [i for i, label in enumerate(labels) if labels[:i].count(label) < 3]
    assert dataset.train_labels.tolist() == [labels[i] for i in taken]
    assert (dataset.train_images.numpy().reshape(30, -1) == pixels[taken]).all()


@pytest.mark.parametrize("layout", WRITERS)
def test_missing_batches_are_listed(tmp_path: Path, layout: str) -> None:
    folder, suffix, _ = WRITERS[layout]
    write_cifar10(tmp_path, layout, batches=3)
    with pytest.raises(DataError) as caught:
        load("cifar10", tmp_path)
    assert f"lacks data_batch_4{suffix}, data_batch_5{suffix}, needed" in str(caught.value)
    assert folder in str(caught.value)


def test_a_missing_batch_is_not_skipped(tmp_path: Path) -> None:
    """Otherwise the images of a scenario would depend on the files present."""
    write_cifar10(tmp_path, "binary")
    (tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_1\.bin, needed"):
        load(describe("cifar10", train_samples=30, test_samples=10), tmp_path)


def test_too_few_samples_are_reported_with_the_available_number(tmp_path: Path) -> None:
    write_cifar10(tmp_path, "binary", each=40)
    with pytest.raises(DataError, match="hold 200 train samples, 20 of class 0, where 21 are"):
        load(describe("cifar10", train_samples=210, test_samples=10), tmp_path)
    with pytest.raises(DataError, match="set test_samples to at most 40 or complete"):
        load(describe("cifar10", train_samples=200), tmp_path)


def test_cifar100_is_read_with_its_fine_labels(tmp_path: Path) -> None:
    train, test = some_records(200, 100, 0), some_records(100, 100, 1)
    write_binary(tmp_path / "a" / "cifar-100-binary" / "train.bin", train, coarse=7)
    write_binary(tmp_path / "a" / "cifar-100-binary" / "test.bin", test, coarse=7)
    write_python(tmp_path / "b" / "cifar-100-python" / "train", train, "fine_labels")
    write_python2(tmp_path / "b" / "cifar-100-python" / "test", test, "fine_labels")
    info = describe("cifar100", train_samples=200, test_samples=100)
    binary, python = load(info, tmp_path / "a"), load(info, tmp_path / "b")
    assert binary.train_labels.tolist() == train[1]
    assert (binary.train_images.numpy().reshape(200, -1) == train[0]).all()
    assert binary.identity == python.identity


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def relabel(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3073] = 10
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "expected a multiple of 3,073 bytes (one record each), found 122,919"),
        (relabel, "record 1 has label 10, expected 0 to 9"),
        (lambda path: path.write_bytes(b""), "found 0"),
    ],
)
def test_a_damaged_binary_file_is_reported(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    write_cifar10(tmp_path, "binary")
    path = tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin"
    damage(path)
    with pytest.raises(DataError) as caught:
        load(describe("cifar10", train_samples=200, test_samples=10), tmp_path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_coarse_label_out_of_range_is_reported(tmp_path: Path) -> None:
    write_binary(tmp_path / "train.bin", some_records(100, 100, 0), coarse=20)
    with pytest.raises(DataError, match="record 0 has label 20, expected 0 to 19"):
        load(describe("cifar100", train_samples=100, test_samples=100), tmp_path)


class Malicious:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "name"), [(open, "open"), (eval, "eval"), (np.fromfile, "fromfile")]
)
def test_a_pickle_with_a_call_is_refused_and_not_run(
    tmp_path: Path, protocol: int, function: Callable, name: str
) -> None:
    marker = tmp_path / "marker"
    argument = f"open({str(marker)!r}, 'w')" if function is eval else str(marker)
    call = Malicious(function, argument, *(["w"] if function is open else []))
    content = pickle.dumps({"data": call, "labels": [0]}, protocol)
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError, match=f"it names .*{name}, which is not allowed"):
        load(describe("cifar10", train_samples=10, test_samples=10), tmp_path)
    assert not marker.exists()


def pickled(content: object) -> bytes:
    return pickle.dumps(content, protocol=2)


PIXELS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Ran out of input"),
        (b"\x80\x02}(", "not a pickle of plain containers"),
        (b"not a pickle at all", "not a pickle of plain containers"),
        (pickled({"data": PIXELS, "labels": [0, 1]})[:-40], "not a pickle"),
        (pickled([1, 2]), "a list where a dictionary was expected"),
        (pickled({"data": PIXELS.astype(object), "labels": [0, 1]}), "type 'O8'"),
        (pickled({"data": PIXELS.astype(np.float32), "labels": [0, 1]}), "type 'f4'"),
        (pickled({"labels": [0, 1]}), "found the keys labels"),
        (pickled({"data": PIXELS}), "expected an array 'data' and a list 'labels'"),
        (pickled({"data": PIXELS, "labels": [0]}), "expected 'data' of shape (1, 3072)"),
        (pickled({"data": PIXELS, "labels": []}), "expected 'data' of shape (0, 3072)"),
        (pickled({"data": PIXELS, "labels": [0, 10]}), "record 1 has label 10"),
        (pickled({"data": PIXELS, "labels": [0, -1]}), "record 1 has label -1"),
        (pickled({"data": PIXELS, "labels": [0, "1"]}), "whole numbers 0 to 9 only"),
        (pickled({"data": PIXELS, "labels": [0, 2**70]}), "whole numbers 0 to 9 only"),
    ],
)
def test_a_damaged_python_batch_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(describe("cifar10", train_samples=10, test_samples=10), tmp_path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_truncated_and_corrupted_pickles_raise_only_data_errors(
    tmp_path: Path,
) -> None:
    whole = io.BytesIO()
    pickle.dump({"data": PIXELS[:1], "labels": [3]}, whole, protocol=2)
    content = whole.getvalue()
    path = tmp_path / "data_batch_1"
    random = np.random.default_rng(0)
    places = [*range(200), *range(len(content) - 60, len(content))]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= int(random.integers(1, 256))
        for damaged in (bytes(flipped), content[:place]):
            path.write_bytes(damaged)
            with pytest.raises(DataError):
                load(describe("cifar10", train_samples=10, test_samples=10), tmp_path)


def test_loading_holds_a_set_in_memory_only_once(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    for number in range(1, 6):
        write_binary(folder / f"data_batch_{number}.bin", some_records(200, 10, number))
    write_binary(folder / "test_batch.bin", some_records(100, 10, 9))
    info = describe("cifar10", train_samples=1000, test_samples=100)
    load(info, tmp_path)  # imports and one-time allocations of torch
    tracemalloc.start()
    try:
        loaded = load(info, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    data = sum(part.nbytes for part in (loaded.train_images, loaded.test_images))
    file = 200 * 3073
    # The data, one file, and the samples copied at a time.
    assert peak < data + 2.2 * file
    assert len(loaded.train_images) == 1000


def test_seeds_that_select_the_same_samples_have_the_same_identity() -> None:
    assert describe("cifar10", seed=1) == describe("cifar10", seed=2)
    assert describe("digits", test_fraction=0.2, seed=1) != describe(
        "digits", test_fraction=0.2, seed=2
    )

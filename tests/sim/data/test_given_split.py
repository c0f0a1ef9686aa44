"""Partitions from files: all formats agree, and errors are one sentence."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from shards import shards_of

from cutlayer.sim.data import given_split
from cutlayer.sim.data.given_split import given_partition
from cutlayer.sim.data.partition import PartitionError

CLIENTS = ("a-0", "a-1", "a-2")
HELD = ([4, 2, 9], [], [0, 7])
LEAF = {"users": ["x", "y", "z"], "num_samples": [3, 0, 2], "user_data": {}}


def held(path: Path, *, overlap: bool = False) -> list[list[int]]:
    partition = given_partition(path, CLIENTS, 10, overlap=overlap)
    return [shard.tolist() for shard in shards_of(partition, np.zeros(10, np.int64))]


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def written(folder: Path) -> dict[str, Path]:
    """The same partition in every format."""
    mapping = dict(zip(CLIENTS, HELD, strict=True))
    lines = [f"{name},{index}" for name, shard in mapping.items() for index in shard]
    turned = [",".join(reversed(line.split(","))) for line in lines]
    arrays = {name: np.array(shard, np.int32) for name, shard in mapping.items()}
    np.savez_compressed(folder / "named.npz", **arrays)
    np.savez(folder / "unnamed.npz", *arrays.values())
    return {
        "mapping": write(folder, "mapping.json", dict(reversed(mapping.items()))),
        "numbers": write(folder, "numbers.json", {str(i): s for i, s in enumerate(HELD)}),
        "words": write(folder, "words.json", {f"client_{i}": s for i, s in enumerate(HELD)}),
        "lists": write(folder, "lists.json", list(HELD)),
        "map": write(folder, "map.txt", "{\n0: [\n4, 2,\n9\n],\n1: [\n],\n2: [0, 7]\n}\n"),
        "map in a line": write(folder, "line.txt", "{0: array([4, 2, 9]), 1: [], 2: [0, 7,],}"),
        "csv": write(folder, "client.csv", "client,index\n" + "\n".join(lines)),
        "csv turned": write(folder, "index.csv", "\ufeffIndex, Client\r\n" + "\r\n".join(turned)),
        "named arrays": folder / "named.npz",
        "arrays": folder / "unnamed.npz",
    }


def test_all_formats_give_the_same_partition_and_identity(tmp_path: Path) -> None:
    forms = written(tmp_path)
    for form, path in forms.items():
        assert held(path) == [list(shard) for shard in HELD], form
    partitions = [given_partition(p, CLIENTS, 10, overlap=False) for p in forms.values()]
    assert len({one.content for one in partitions}) == 1
    other = write(tmp_path, "other.json", [[4, 2, 9], [], [0, 8]])
    assert given_partition(other, CLIENTS, 10, overlap=False).content != partitions[0].content


def test_rows_of_an_array_are_the_clients_in_order(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([[1, 2], [3, 4], [5, 6]]))
    assert held(tmp_path / "rows.npy") == [[1, 2], [3, 4], [5, 6]]


def test_users_of_leaf_hold_consecutive_samples(tmp_path: Path) -> None:
    assert held(write(tmp_path, "all_data.json", LEAF)) == [[0, 1, 2], [], [3, 4]]


def test_a_sample_is_held_twice_only_with_overlap(tmp_path: Path) -> None:
    path = write(tmp_path, "twice.json", [[1, 2], [2], [3]])
    assert held(path, overlap=True) == [[1, 2], [2], [3]]
    with pytest.raises(PartitionError, match=r"sample 2 is held by a-0 and by a-1; give overlap"):
        held(path)
    with pytest.raises(PartitionError, match="sample 5 is held twice by a-1"):
        held(write(tmp_path, "one.json", [[1], [5, 5], []]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"a-0": [0], "a-1": [1], "a-3": [2]}, "no client 'a-3'; did you mean 'a-"),
        ("a.json", {"a-0": [0], "a-2": [2]}, "has no entry for the client 'a-1'"),
        ("a.json", {"0": [0], "1": [2]}, "has no entry for client 2"),
        ("a.json", {"0": [0], "3": [2]}, "expected 0 to 2"),
        ("a.json", {"0": [0], "00": [2]}, "each once"),
        ("a.json", {"0": [0], "client_0": [2]}, "each once"),
        (
            "a.json",
            {"user1": [0], "user2": [2], "user3": []},
            "numbers the clients: expected 0 to 2",
        ),
        ("a.json", [[0], [1]], "holds 2 lists for 3 clients"),
        ("a.json", [[0], [1], [10]], "a-2 holds sample 10, and the training set has 10 (0 to 9)"),
        ("a.json", [[0], [-1], []], "a-1 holds sample -1, and"),
        ("a.json", [[0], [1], [2.0]], "list 2: '2.0' is not a sample index"),
        ("a.json", [[0], [1], [True]], "'True' is not a sample index"),
        ("a.json", [[0], [1], ["3"]], "'3' is not a sample index"),
        ("a.json", [[0], [1], 3], "list 2: expected a list of sample indices"),
        ("a.json", [[0], [1], [2**70]], "beyond 2^63"),
        ("a.json", "[[0], [1], [NaN]]", "NaN is not a sample index"),
        ("a.json", "[[0], [1], [" + "9" * 5000 + "]]", "is not JSON"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a-0": [1], "a-0": [2]}', "'a-0' appears twice"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "", "is not JSON"),
        ("a.json", "3", "expected a mapping of client names to lists, or a list of lists"),
        ("a.json", {**LEAF, "num_samples": [1, -1, 2]}, "num_samples must be a list of whole"),
        ("a.json", {**LEAF, "num_samples": [1, 10**12, 2]}, "at most 100,000,000 are read"),
        ("a.csv", "a,b\n1,2\n", "line 1: expected the header client,index or index,client"),
        ("a.csv", "", "line 1: expected the header"),
        ("a.csv", "client,index\na-0,1\na-1\n", "line 3: expected 2 cells, got 1"),
        ("a.csv", "client,index\na-0,-1\n", "line 2: '-1' is not a sample index"),
        ("a.csv", "client,index\na-0,1\nb,2\n", "no client 'b'"),
        ("a.npz", "no archive", "is not a sound .npz file"),
        ("a.npy", "no array", "is not a sound .npy file"),
        ("a.txt", "", "line 1: expected a mapping {0: [...], 1: [...]}"),
        ("a.txt", "\n0: [1]", "line 2: expected a mapping {"),
        ("a.txt", "{\n0: [\n1,\nx],", "line 4: 'x' is not a sample index"),
        ("a.txt", "{0: [1 2 ... 8 9]}", "numpy has shortened the list"),
        ("a.txt", "{0: [1],\n1: [2],\n0: []}", "line 3: has client 0 twice"),
        ("a.txt", "{0: [1],\n1: [2", "line 2: expected a client's number and its list"),
        ("a.txt", "{0: [1],\n", "(got the end of the file)"),
        ("a.txt", "{0: [1], 1: [2]}", "has no entry for client 2"),
        ("a.pkl", "1", "expected a file named .json, .csv, .txt, .npz or .npy"),
    ],
)
def test_errors_are_reported_in_one_sentence(
    tmp_path: Path, name: str, content: object, message: str
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(PartitionError) as caught:
        given_partition(path, CLIENTS, 10, overlap=False)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_arrays_of_other_types_are_refused_before_they_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "floats.npy", np.zeros((3, 2)))
    np.save(tmp_path / "line.npy", np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    np.savez(tmp_path / "matrix.npz", np.zeros((2, 2), int))
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
    huge = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "huge.npy").write_bytes(huge)
    for name, message in {
        "floats.npy": "holds float64 where whole numbers were expected",
        "line.npy": "expected a row for each client, got shape (3,)",
        "objects.npy": "holds object where",
        "matrix.npz": "expected a row of indices, got (2, 2)",
        "huge.npy": "announces 8,000,000,000,000 bytes",
    }.items():
        with pytest.raises(PartitionError) as caught:
            held(tmp_path / name)
        assert message in str(caught.value)


def test_no_more_than_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_split, "MAX_BYTES", 1000)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros(10_000, int))
    assert (tmp_path / "bomb.npz").stat().st_size < 1000
    with pytest.raises(PartitionError, match="and at most 1,000 are read"):
        held(tmp_path / "bomb.npz")
    with pytest.raises(PartitionError, match=r"has 3,000 bytes, and at most 1,000 are read"):
        held(write(tmp_path, "long.json", " " * 3000))


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PartitionError, match=r"gone\.json: cannot be read: No such file"):
        held(tmp_path / "gone.json")
    with pytest.raises(PartitionError, match="is not a file"):
        held(tmp_path)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", [[1], [2], [3]])
    assert held(path) == [[1], [2], [3]]
    write(tmp_path, "a.json", [[1], [2, 4], [3]])
    assert held(path) == [[1], [2, 4], [3]]


def test_an_empty_array_of_any_type_is_a_client_without_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "split.npz", np.array([4, 2]), np.array([]), np.array([0]))
    assert held(tmp_path / "split.npz") == [[4, 2], [], [0]]


def test_integers_beyond_63_bits_are_not_read_as_negative(tmp_path: Path) -> None:
    np.savez(tmp_path / "split.npz", np.array([2**64 - 1], np.uint64), np.array([1]), np.array([2]))
    with pytest.raises(PartitionError, match="holds a whole number beyond 2"):
        held(tmp_path / "split.npz")


def test_an_archive_with_a_client_twice_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1]))
    content = (tmp_path / "a.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "split.npz", "w") as archive:
        archive.writestr("a-0.npy", content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a-0.npy", content)
    with pytest.raises(PartitionError, match="holds 'a-0' twice"):
        held(tmp_path / "split.npz")

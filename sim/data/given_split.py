"""Partitions read from a file, which lists the training samples of each client.

A sample index counts from 0 in the training set that the scenario selects, after `test_fraction` and
`train_samples`, in the order of the data set's files. File formats:

- JSON: a mapping of client names to lists of indices, a list of such lists in client order, or a file
  of LEAF (Caldas et al., 2018), whose users hold consecutive samples;
- text, `.txt`: `net_dataidx_map` as FedML and the benchmarks derived from it write and read it, a
  mapping of client numbers to lists in braces, `{0: [3, 1], 1: [2]}`, broken into lines anywhere;
- CSV with a header `client,index` or `index,client` and a line for each sample; a client without a line
  holds no samples;
- `.npz`: an array of indices for each client, by name, or in client order if unnamed;
- `.npy`: a row of indices for each client, in client order.

Clients may also be given by number, from 0, instead of by name: as `3`, `client_3` or `user_3`.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.content_hash import content_hash
from cutlayer.sim.data.index_map import index_map
from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.partition import Ints, PartitionError
from cutlayer.sim.data.readers.arrays import read_npy, read_npz
from cutlayer.suggestion import suggestion
from cutlayer.topologies.text_file import unique_keys

MAX_BYTES: Final = 100_000_000  # of a text, or of the arrays in a file
MAX_DIGITS: Final = 18  # digits: what fits into 64 bits
EMPTY: Final = np.empty(0, np.int64)
LEAF_KEYS: Final = {"users", "num_samples", "user_data"}

# How other tools name clients by their number.
_NUMBERED: Final = re.compile(
    r"(?:(?:client|user|party|node|worker)[ _-]?)?([0-9]+)", re.IGNORECASE
)

ByName = Mapping[str, Ints]
InOrder = Sequence[Ints]


@dataclass(frozen=True, eq=False)
class GivenPartition:
    """The shards of all clients, as sample indices; `content` is their hash."""

    sizes: tuple[int, ...]
    held: Ints
    content: str
    users: int | None = None  # number of users, for a data set that has them

    @classmethod
    def of(cls, shards: Sequence[Ints], users: int | None = None) -> "GivenPartition":
        """Return the partition in which client i holds `shards[i]`."""
        sizes = np.array([len(shard) for shard in shards], np.int64)
        held = np.concatenate([EMPTY, *shards])
        return cls(tuple(sizes.tolist()), held, content_hash([sizes, held]), users)

    def order(self, labels: NDArray[np.integer]) -> Ints:
        """Return the sample indices of all clients, one client after the other."""
        assert self.held.max(initial=-1) < len(labels), "labels of another selection of samples"
        return self.held


def given_partition(
    path: Path, clients: Sequence[str], train_samples: int, *, overlap: bool
) -> GivenPartition:
    """Read the partition of these clients from a file. Raises PartitionError with one sentence.

    Every client needs an entry, which may be empty. With `overlap` a sample may be held more than once.
    """
    try:
        shards = _in_client_order(_read(path), clients, every=path.suffix.lower() != ".csv")
        for shard, name in zip(shards, clients, strict=True):
            beyond = shard[(shard < 0) | (shard >= train_samples)]
            if len(beyond):
                raise PartitionError(
                    f"{name} holds sample {beyond[0]}, and the training set has "
                    f"{train_samples} (0 to {train_samples - 1})"
                )
        partition = GivenPartition.of(shards)
        if not overlap:
            _check_disjoint(partition, clients)
    except (DataError, PartitionError) as error:
        raise PartitionError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise PartitionError(f"{path}: is not text in UTF-8") from None
    except OSError as error:
        raise PartitionError(f"{path}: cannot be read: {error.strerror or error}") from None
    return partition


# The functions below raise sentences that follow the file's name.


def _check_disjoint(partition: GivenPartition, clients: Sequence[str]) -> None:
    """Raise PartitionError if a sample is held twice."""
    order = np.argsort(partition.held, kind="stable")
    twice = np.flatnonzero(np.diff(partition.held[order]) == 0)
    if len(twice):
        owners = np.repeat(np.arange(len(clients)), partition.sizes)
        one, other = (clients[owners[order[twice[0] + i]]] for i in (0, 1))
        by = f"twice by {one}" if one == other else f"by {one} and by {other}"
        raise PartitionError(
            f"sample {partition.held[order[twice[0]]]} is held {by}; "
            f"give overlap: true if that is meant"
        )


def _in_client_order(shards: ByName | InOrder, clients: Sequence[str], *, every: bool) -> InOrder:
    if not isinstance(shards, Mapping):
        if len(shards) != len(clients):
            raise PartitionError(f"holds {len(shards)} lists for {len(clients)} clients")
        return shards
    names, form = clients, "the client {!r}"
    numbers = {name: _number_in(name) for name in shards}
    if not {*clients} & shards.keys() and all(numbers.values()):
        names, form = [str(number) for number in range(len(clients))], "client {}"
        numbered = {str(int(numbers[name])): shard for name, shard in shards.items()}
        if len(numbered) < len(shards) or not numbered.keys() <= {*names}:
            raise PartitionError(
                f"numbers the clients: expected 0 to {len(clients) - 1}, each once"
            )
        shards = numbered
    known = {*names}
    for name in shards:
        if name not in known:
            raise PartitionError(f"there is no client {name[:100]!r}{suggestion(name, clients)}")
    for name in names:
        if every and name not in shards:
            raise PartitionError(
                f"has no entry for {form.format(name)} (an empty list: no samples)"
            )
    return [shards.get(name, EMPTY) for name in names]


def _number_in(name: str) -> str:
    """Return the number of a client that is named by it, such as "3", "client_3" or "user 3", or ""."""
    digits = _NUMBERED.fullmatch(name)
    return digits[1] if digits is not None and _is_number(digits[1]) else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def _shard(indices: object, where: str) -> Ints:
    if not isinstance(indices, list):
        raise PartitionError(f"{where}: expected a list of sample indices")
    for index in indices:
        if type(index) is not int:
            raise PartitionError(f"{where}: {str(index)[:40]!r} is not a sample index")
    try:
        return np.array(indices, np.int64)
    except OverflowError:
        raise PartitionError(f"{where}: holds a sample index beyond 2^63") from None


def _read(path: Path) -> ByName | InOrder:
    try:
        status = path.stat()
    except ValueError as error:  # a name that no file can have
        raise PartitionError(f"cannot be read: {error}") from None
    if not path.is_file():
        raise PartitionError("is not a file")
    return _read_cached(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)  # the points of a study name the same file
def _read_cached(path: Path, changed_ns: int, size: int) -> ByName | InOrder:
    del changed_ns
    suffix = path.suffix.lower()
    if suffix not in (".json", ".csv", ".txt", ".npz", ".npy"):
        raise PartitionError("expected a file named .json, .csv, .txt, .npz or .npy")
    if size > MAX_BYTES:
        raise PartitionError(f"has {size:,} bytes, and at most {MAX_BYTES:,} are read")
    if suffix == ".npz":
        return _arrays(read_npz(path, MAX_BYTES))
    if suffix == ".npy":
        array = read_npy(path)
        if array.ndim != 2:
            raise PartitionError(f"expected a row for each client, got shape {array.shape}")
        return list(array.astype(np.int64))
    text = path.read_text(encoding="utf-8-sig")
    if suffix == ".txt":
        return index_map(text)
    return _json(text) if suffix == ".json" else _csv(text)


def _arrays(arrays: Mapping[str, NDArray[Any]]) -> ByName | InOrder:
    for name, array in arrays.items():
        if array.ndim != 1:
            raise PartitionError(f"{name[:100]}: expected a row of indices, got {array.shape}")
    shards = {name: array.astype(np.int64) for name, array in arrays.items()}
    unnamed = [f"arr_{number}" for number in range(len(arrays))]
    if set(arrays) == set(unnamed):
        return [shards[name] for name in unnamed]
    return shards


def _json(text: str) -> ByName | InOrder:
    try:
        content = json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_number)
    except RecursionError:
        raise PartitionError("is nested too deeply") from None
    except ValueError as error:
        raise PartitionError(f"is not JSON ({str(error)[:100]})") from None
    if isinstance(content, dict) and content.keys() >= LEAF_KEYS:
        return _leaf(content)
    if isinstance(content, dict):
        return {name: _shard(it, name[:100]) for name, it in content.items()}
    if isinstance(content, list):
        return [_shard(it, f"list {number}") for number, it in enumerate(content)]
    raise PartitionError("expected a mapping of client names to lists, or a list of lists")


def _leaf(content: Mapping[str, Any]) -> InOrder:
    """Return the shards of LEAF's users, who hold consecutive samples."""
    counts = content["num_samples"]
    if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in counts):
        raise PartitionError("num_samples must be a list of whole numbers, 0 or more")
    ends = np.cumsum([0, *counts])
    if ends[-1] > MAX_BYTES:
        raise PartitionError(f"has {ends[-1]:,} samples, at most {MAX_BYTES:,} are read")
    return [np.arange(end - n, end) for n, end in zip(counts, ends[1:], strict=True)]


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a sample index")


def _csv(text: str) -> ByName | InOrder:
    rows = csv.reader(text.splitlines())
    header = [cell.strip().lower() for cell in next(rows, [])]
    if sorted(header) != ["client", "index"]:
        raise PartitionError("line 1: expected the header client,index or index,client")
    client, index = header.index("client"), header.index("index")
    indices: dict[str, list[int]] = {}
    try:
        for row in rows:
            if not row:
                continue
            if len(row) != 2:
                raise PartitionError(f"line {rows.line_num}: expected 2 cells, got {len(row)}")
            number = row[index].strip()
            if not _is_number(number):
                raise PartitionError(f"line {rows.line_num}: {number[:40]!r} is not a sample index")
            indices.setdefault(row[client].strip(), []).append(int(number))
    except csv.Error as error:
        raise PartitionError(f"line {rows.line_num}: {error}") from None
    return {name: np.array(held, np.int64) for name, held in indices.items()}

"""Who holds which training samples, as a file says: a split made elsewhere.

A sample is identified by its place in the training set that the scenario takes: after `test_fraction`
and `train_samples`, in the order of the data set's files, from 0. The forms of the file:

- JSON: a mapping of client names to lists of indices, a list of such lists in client order, or a file
  of LEAF (Caldas et al., 2018), whose users hold runs of samples one after the other;
- CSV with a header: `client,index` or `index,client`, a line for each sample; a client without a line
  holds none;
- `.npz`: an array of indices for each client, by name, or in client order where they have none;
- `.npy`: one row of indices for each client, in client order.

In place of names, numbers from 0 may stand for the clients in their order.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.content_hash import content_hash
from cutlayer.sim.data.partition import Ints, PartitionError
from cutlayer.sim.data.readers.arrays import ArrayFileError, read_npy, read_npz
from cutlayer.suggestion import suggestion
from cutlayer.topologies.json_keys import unique_keys

MOST_BYTES: Final = 100_000_000  # of a text, or of the arrays in a file
LONGEST_NUMBER: Final = 18  # digits: what fits into 64 bits
NOTHING: Final = np.empty(0, np.int64)
LEAF_KEYS: Final = {"users", "num_samples", "user_data"}

ByName = Mapping[str, Ints]
InOrder = Sequence[Ints]


@dataclass(frozen=True, eq=False)
class GivenPartition:
    """The shards of all clients, as sample indices; `content` identifies them."""

    sizes: tuple[int, ...]
    held: Ints
    content: str
    users: int | None = None  # of a data set that was made by so many

    @classmethod
    def of(cls, shards: Sequence[Ints], users: int | None = None) -> "GivenPartition":
        """Return the partition in which client i holds `shards[i]`."""
        sizes = np.array([len(shard) for shard in shards], np.int64)
        held = np.concatenate([np.empty(0, np.int64), *shards])
        return cls(tuple(sizes.tolist()), held, content_hash([sizes, held]), users)

    def indices(self, client: int, labels: NDArray[np.integer]) -> Ints:
        """Return a client's sample indices into the data set with these labels."""
        return self.all_indices(labels)[client]

    def order(self, labels: NDArray[np.integer]) -> Ints:
        """Return the sample indices of all clients, one client after the other."""
        assert self.held.max(initial=-1) < len(labels), "labels of another selection of samples"
        return self.held

    def all_indices(self, labels: NDArray[np.integer]) -> list[Ints]:
        """Return every client's sample indices into the data set with these labels."""
        return np.split(self.order(labels), np.cumsum(self.sizes)[:-1])


def given_partition(
    path: Path, clients: Sequence[str], train_samples: int, *, overlap: bool
) -> GivenPartition:
    """Return the partition in a file for these clients. Raises PartitionError with one sentence.

    Every client needs an entry, which may be empty. With `overlap` a sample may be held twice.
    """
    where = f"{path}"
    found = _read(path)
    if isinstance(found, Mapping):
        every = path.suffix.lower() != ".csv"
        found = _in_client_order(found, clients, where, every=every)
    elif len(found) != len(clients):
        raise PartitionError(f"{where}: holds {len(found)} lists for {len(clients)} clients")
    for shard, name in zip(found, clients, strict=True):
        beyond = shard[(shard < 0) | (shard >= train_samples)]
        if len(beyond):
            raise PartitionError(
                f"{where}: {name} holds sample {beyond[0]}, and the training set has "
                f"{train_samples} (0 to {train_samples - 1})"
            )
    made = GivenPartition.of(found)
    if not overlap:
        _check_apart(made, clients, where)
    return made


def _check_apart(made: GivenPartition, clients: Sequence[str], where: str) -> None:
    """Raise PartitionError for a sample that is held twice."""
    order = np.argsort(made.held, kind="stable")
    twice = np.flatnonzero(np.diff(made.held[order]) == 0)
    if len(twice):
        owners = np.repeat(np.arange(len(clients)), made.sizes)
        one, other = (clients[owners[order[twice[0] + i]]] for i in (0, 1))
        by = f"twice by {one}" if one == other else f"by {one} and by {other}"
        raise PartitionError(
            f"{where}: sample {made.held[order[twice[0]]]} is held {by}; "
            f"give overlap: true if that is meant"
        )


def _in_client_order(found: ByName, clients: Sequence[str], where: str, *, every: bool) -> InOrder:
    known = set(clients)
    if not known & found.keys() and all(_is_number(name) for name in found):
        return _by_number(found, clients, where, every=every)
    for name in found:
        if name not in known:
            hint = suggestion(name, clients)
            raise PartitionError(f"{where}: there is no client {name[:100]!r}{hint}")
    for name in clients:
        if every and name not in found:
            raise PartitionError(
                f"{where}: has no entry for the client {name!r} (an empty list: no samples)"
            )
    return [found.get(name, NOTHING) for name in clients]


def _by_number(found: ByName, clients: Sequence[str], where: str, *, every: bool) -> InOrder:
    shards = {int(name): shard for name, shard in found.items()}
    if len(shards) < len(found) or max(shards, default=-1) >= len(clients):
        raise PartitionError(
            f"{where}: numbers the clients: expected 0 to {len(clients) - 1}, each once"
        )
    for number in range(len(clients)):
        if every and number not in shards:
            raise PartitionError(
                f"{where}: has no entry for client {number} (an empty list: no samples)"
            )
    return [shards.get(number, NOTHING) for number in range(len(clients))]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def _shard(written: object, where: str) -> Ints:
    if not isinstance(written, list):
        raise PartitionError(f"{where}: expected a list of sample indices")
    for index in written:
        if type(index) is not int:
            raise PartitionError(f"{where}: {str(index)[:40]!r} is not a sample index")
    try:
        return np.array(written, np.int64)
    except OverflowError:
        raise PartitionError(f"{where}: holds a sample index beyond 2^63") from None


def _read(path: Path) -> ByName | InOrder:
    try:
        about = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PartitionError(f"{path}: cannot be read: {reason}") from None
    if not path.is_file():
        raise PartitionError(f"{path}: is not a file")
    return _read_once(path.resolve(), str(path), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4)  # the points of a study name the same file again and again
def _read_once(path: Path, said: str, changed_ns: int, size: int) -> ByName | InOrder:
    del changed_ns
    suffix = path.suffix.lower()
    if suffix not in (".json", ".csv", ".npz", ".npy"):
        raise PartitionError(f"{said}: expected a file named .json, .csv, .npz or .npy")
    if size > MOST_BYTES:
        raise PartitionError(f"{said}: has {size:,} bytes, and at most {MOST_BYTES:,} are read")
    try:
        if suffix == ".npz":
            return _arrays(read_npz(path, MOST_BYTES))
        if suffix == ".npy":
            array = read_npy(path)
            if array.ndim != 2:
                raise ArrayFileError(f"expected a row for each client, got shape {array.shape}")
            return list(array.astype(np.int64))
        text = path.read_text(encoding="utf-8-sig")
    except ArrayFileError as error:
        raise PartitionError(f"{said}: {error}") from None
    except UnicodeDecodeError:
        raise PartitionError(f"{said}: is not text in UTF-8") from None
    except OSError as error:
        raise PartitionError(f"{said}: cannot be read: {error.strerror or error}") from None
    return _json(text, said) if suffix == ".json" else _csv(text, said)


def _arrays(found: Mapping[str, NDArray[Any]]) -> ByName | InOrder:
    for name, array in found.items():
        if array.ndim != 1:
            raise ArrayFileError(f"{name[:100]}: expected a row of indices, got {array.shape}")
    shards = {name: array.astype(np.int64) for name, array in found.items()}
    unnamed = [f"arr_{number}" for number in range(len(found))]
    if set(found) == set(unnamed):
        return [shards[name] for name in unnamed]
    return shards


def _json(text: str, where: str) -> ByName | InOrder:
    try:
        content = json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_number)
    except RecursionError:
        raise PartitionError(f"{where}: is nested too deeply") from None
    except ValueError as error:
        raise PartitionError(f"{where}: is not JSON ({str(error)[:100]})") from None
    if isinstance(content, dict) and content.keys() >= LEAF_KEYS:
        return _leaf(content, where)
    if isinstance(content, dict):
        return {name: _shard(it, f"{where}: {name[:100]}") for name, it in content.items()}
    if isinstance(content, list):
        return [_shard(it, f"{where}: list {number}") for number, it in enumerate(content)]
    raise PartitionError(
        f"{where}: expected a mapping of client names to lists, or a list of lists"
    )


def _leaf(content: Mapping[str, Any], where: str) -> InOrder:
    """Return what LEAF's users hold: so many samples each, one user after the other."""
    counts = content["num_samples"]
    if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in counts):
        raise PartitionError(f"{where}: num_samples must be a list of whole numbers, 0 or more")
    ends = np.cumsum([0, *counts])
    if ends[-1] > MOST_BYTES:
        raise PartitionError(f"{where}: has {ends[-1]:,} samples, at most {MOST_BYTES:,} are read")
    return [np.arange(end - n, end) for n, end in zip(counts, ends[1:], strict=True)]


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a sample index")


def _csv(text: str, where: str) -> ByName | InOrder:
    rows = csv.reader(text.splitlines())
    header = [cell.strip().lower() for cell in next(rows, [])]
    if sorted(header) != ["client", "index"]:
        raise PartitionError(f"{where}: line 1: expected the header client,index or index,client")
    client, index = header.index("client"), header.index("index")
    found: dict[str, list[int]] = {}
    try:
        for row in rows:
            if not row:
                continue
            if len(row) != 2:
                raise PartitionError(
                    f"{where}: line {rows.line_num}: expected 2 cells, got {len(row)}"
                )
            number = row[index].strip()
            if not _is_number(number):
                raise PartitionError(
                    f"{where}: line {rows.line_num}: {number[:40]!r} is not a sample index"
                )
            found.setdefault(row[client].strip(), []).append(int(number))
    except csv.Error as error:
        raise PartitionError(f"{where}: line {rows.line_num}: {error}") from None
    return {name: np.array(held, np.int64) for name, held in found.items()}

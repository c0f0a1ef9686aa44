"""Partition of the training samples over the clients, computed from the counts per class alone.

A *position* is an index into the samples sorted by class, and a client's shard is a list of positions.
`Partition.order` converts them to sample indices once the labels are known: the k-th position of a
class is the k-th sample of that class in file order. A sample belongs to at most one client.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError
from cutlayer.streams import generator

Ints = NDArray[np.int64]
DIRICHLET_TRIES = 100
MAX_DEALT = 20_000_000  # dealing a sample takes about 60 bytes


class PartitionError(UserError):
    """A partition that does not fit the data set, or a file of one that cannot be read."""


class Held(Protocol):
    """The training samples of each client; client i holds `sizes[i]` of them."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the number of samples of each client."""

    def order(self, labels: NDArray[np.integer]) -> Ints:
        """Return the sample indices of all clients, one client after the other."""


@dataclass(frozen=True)
class Iid:
    """All samples, shuffled, in equal shares: shard sizes differ by at most one."""

    def deal(self, counts: Ints, clients: int, seed: int) -> tuple[Ints, Ints]:
        """Deal equal slices of one random order."""
        total = int(counts.sum())
        if clients > total:
            raise PartitionError(f"iid: {clients} clients cannot share {total} samples")
        return _random_order(total, seed), _even_sizes(total, clients)


@dataclass(frozen=True)
class Sizes:
    """Shards of given sizes, drawn at random: one number for every client, or one per client."""

    sizes: int | tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = (self.sizes,) if isinstance(self.sizes, int) else self.sizes
        if min(sizes, default=0) < 1:
            raise PartitionError(f"sizes: each must be 1 or more, got {self.sizes}")

    def deal(self, counts: Ints, clients: int, seed: int) -> tuple[Ints, Ints]:
        """Deal slices of these sizes of one random order."""
        sizes = (self.sizes,) * clients if isinstance(self.sizes, int) else self.sizes
        if len(sizes) != clients:
            raise PartitionError(f"sizes: {len(sizes)} are given for {clients} clients")
        total = int(counts.sum())
        if sum(sizes) > total:
            raise PartitionError(
                f"sizes: {clients} clients need {sum(sizes)} samples in all, and there are {total}"
            )
        return _random_order(total, seed)[: sum(sizes)], np.array(sizes, np.int64)


@dataclass(frozen=True)
class Shards:
    """Samples sorted by class and cut into equal pieces, which are dealt to the clients at random.

    McMahan et al., AISTATS 2017, section 3: few classes per client. Without `size`, all samples are used
    and pieces differ by at most one; with it, each piece has `size` samples, and the samples of pieces
    that are not dealt belong to no client.
    """

    per_client: int
    size: int | None = None

    def __post_init__(self) -> None:
        if self.per_client < 1 or (self.size is not None and self.size < 1):
            raise PartitionError(
                f"shards: per_client and size must be 1 or more, got {self.per_client}, {self.size}"
            )

    def deal(self, counts: Ints, clients: int, seed: int) -> tuple[Ints, Ints]:
        """Deal `per_client` pieces of the class-sorted order, random within each class."""
        total, dealt = int(counts.sum()), clients * self.per_client
        pieces = dealt if self.size is None else total // self.size
        if pieces > total or pieces < dealt:
            raise PartitionError(
                f"shards: {clients} clients with {self.per_client} each need {dealt} shards"
                f"{'' if self.size is None else f' of {self.size} samples'}, "
                f"and there are {total} samples"
            )
        sizes = _even_sizes(total, pieces) if self.size is None else np.full(pieces, self.size)
        ends = np.cumsum(sizes)
        order = np.concatenate(_shuffled_classes(counts, seed))
        chosen = generator(seed, "partition shards").permutation(pieces)[:dealt]
        positions = [order[ends[piece] - sizes[piece] : ends[piece]] for piece in chosen]
        return np.concatenate(positions), sizes[chosen].reshape(clients, -1).sum(axis=1)


@dataclass(frozen=True)
class Dirichlet:
    """Each class divided over the clients in proportions drawn from Dirichlet(alpha, ..., alpha).

    Yurochkin et al., ICML 2019, section 4; the draw is repeated until every client has `min_samples`,
    as in Li et al., ICDE 2022. With K clients, a client's share of a class has mean 1/K and variance
    (K - 1) / (K^2 (K alpha + 1)): a small alpha gives few classes per client.
    """

    alpha: float
    min_samples: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha > 0) or self.min_samples < 0:
            raise PartitionError(
                f"dirichlet: alpha must be above 0 and min_samples 0 or more, "
                f"got {self.alpha}, {self.min_samples}"
            )

    def deal(self, counts: Ints, clients: int, seed: int) -> tuple[Ints, Ints]:
        """Deal each class in random order, in the proportions drawn."""
        shares = self._shares(counts, clients, seed)
        owners = [np.repeat(np.arange(clients), share) for share in shares]
        by_client = np.argsort(np.concatenate(owners), kind="stable")
        return np.concatenate(_shuffled_classes(counts, seed))[by_client], shares.sum(axis=0)

    def _shares(self, counts: Ints, clients: int, seed: int) -> Ints:
        """Return the numbers of samples, [class, client]."""
        if counts.sum() > MAX_DEALT:
            raise PartitionError(
                f"dirichlet: deals at most {MAX_DEALT:,} samples one by one, and there are"
                f" {counts.sum():,}: take fewer, or an iid partition"
            )
        if clients * self.min_samples > counts.sum():
            raise PartitionError(
                f"dirichlet: {clients} clients with at least {self.min_samples} samples each need "
                f"{clients * self.min_samples}, and there are {counts.sum()}"
            )
        for attempt in range(DIRICHLET_TRIES):
            random = generator(seed, "partition dirichlet", attempt)
            proportions = random.dirichlet(np.full(clients, self.alpha), len(counts))
            ends = np.rint(np.cumsum(proportions, axis=1) * counts[:, np.newaxis]).astype(np.int64)
            ends[:, -1] = counts
            shares = np.diff(ends, axis=1, prepend=0)
            if shares.sum(axis=0).min() >= self.min_samples:
                return shares
        raise PartitionError(
            f"dirichlet: alpha {self.alpha} over {clients} clients left some client with fewer "
            f"than {self.min_samples} samples in each of {DIRICHLET_TRIES} draws: raise alpha, or "
            f"lower min_samples or the number of clients"
        )


@dataclass(frozen=True)
class Quantity:
    """All samples, shuffled, in shares that are drawn: IID shards of unequal sizes.

    With `dirichlet`, the shares of the clients are Dirichlet(alpha) (quantity skew in Li et al., ICDE
    2022, section 4); with `lognormal`, they are proportional to log-normal draws of this sigma. The draw
    is repeated until every client has `min_samples`.
    """

    dirichlet: float | None = None
    lognormal: float | None = None
    min_samples: int = 1

    def __post_init__(self) -> None:
        spreads = [value for value in (self.dirichlet, self.lognormal) if value is not None]
        if len(spreads) != 1 or not 0 < spreads[0] < math.inf or self.min_samples < 0:
            raise PartitionError(
                f"quantity: either dirichlet or lognormal must be above 0, and min_samples 0 or more, "
                f"got {self.dirichlet}, {self.lognormal}, {self.min_samples}"
            )

    def deal(self, counts: Ints, clients: int, seed: int) -> tuple[Ints, Ints]:
        """Deal slices of these sizes of one random order."""
        total = int(counts.sum())
        if clients * self.min_samples > total:
            raise PartitionError(
                f"quantity: {clients} clients with at least {self.min_samples} samples each need "
                f"{clients * self.min_samples}, and there are {total}"
            )
        for attempt in range(DIRICHLET_TRIES):
            random = generator(seed, "partition quantity", attempt)
            if self.lognormal is None:
                shares = random.dirichlet(np.full(clients, self.dirichlet))
            else:
                logarithms = self.lognormal * random.standard_normal(clients)
                shares = np.exp(logarithms - logarithms.max())
            ends = np.rint(np.cumsum(shares) / shares.sum() * total).astype(np.int64)
            ends[-1] = total
            sizes = np.diff(ends, prepend=0)
            if sizes.min() >= self.min_samples:
                return _random_order(total, seed), sizes
        raise PartitionError(
            f"quantity: left some client with fewer than {self.min_samples} samples in each of"
            f" {DIRICHLET_TRIES} draws: ask for more equal sizes, or lower min_samples"
        )


# A rule deals positions to clients: all positions, client by client, and the number of each client's.
PartitionRule = Iid | Shards | Dirichlet | Sizes | Quantity
PARTITIONS: dict[str, type[PartitionRule]] = {
    "iid": Iid,
    "shards": Shards,
    "dirichlet": Dirichlet,
    "sizes": Sizes,
    "quantity": Quantity,
}


@dataclass(frozen=True, eq=False)
class Partition:
    """The shards of all clients, as positions in the class-sorted order of the data set."""

    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    positions: Ints

    def order(self, labels: NDArray[np.integer]) -> Ints:
        """Return the sample indices of all clients, one client after the other."""
        counts = np.bincount(labels, minlength=len(self.counts))
        assert counts.tolist() == list(self.counts), "labels of another selection of samples"
        narrow = labels.astype(np.min_scalar_type(len(self.counts)))  # sorts ten times as fast
        return np.argsort(narrow, kind="stable")[self.positions]


def partition(counts: Sequence[int], clients: int, rule: PartitionRule, seed: int) -> Partition:
    """Deal samples, `counts[c]` of each class c, to `clients` clients. Raises PartitionError."""
    if clients < 1:
        raise PartitionError(f"a partition needs at least one client, got {clients}")
    positions, sizes = rule.deal(np.array(counts, np.int64), clients, seed)
    assert len(sizes) == clients
    assert len(positions) == sizes.sum()
    return Partition(tuple(counts), tuple(sizes.tolist()), positions)


def _random_order(total: int, seed: int) -> Ints:
    return generator(seed, "partition order").permutation(total)


def _even_sizes(total: int, parts: int) -> Ints:
    return np.diff(np.arange(parts + 1) * total // parts)


def _shuffled_classes(counts: Ints, seed: int) -> list[Ints]:
    """Return the positions of each class in random order."""
    starts = np.cumsum(counts) - counts
    return [
        start + generator(seed, "partition class", label).permutation(int(n))
        for label, (start, n) in enumerate(zip(starts, counts, strict=True))
    ]

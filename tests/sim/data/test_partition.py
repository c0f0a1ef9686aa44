import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2
from shards import shards_of

from cutlayer.sim.data.datasets import DATASETS
from cutlayer.sim.data.partition import (
    PARTITIONS,
    Dirichlet,
    Iid,
    Partition,
    PartitionError,
    PartitionRule,
    Quantity,
    Shards,
    Sizes,
    partition,
)

CIFAR = (5000,) * 10
RULES = [
    Iid(),
    Sizes(3),
    Sizes((1, 2, 3, 4, 5)),
    Shards(2),
    Shards(2, size=3),
    Dirichlet(0.5, min_samples=0),
    Dirichlet(100.0, min_samples=2),
    Quantity(dirichlet=1.0, min_samples=0),
    Quantity(lognormal=0.5, min_samples=0),
]
USES_ALL = (Iid, Dirichlet, Quantity)


def composition(dealt: Partition) -> np.ndarray:
    """The samples of each class, [client, class]."""
    classes = np.searchsorted(np.cumsum(dealt.counts), dealt.positions, side="right")
    clients = np.repeat(np.arange(len(dealt.sizes)), dealt.sizes)
    counts = np.zeros((len(dealt.sizes), len(dealt.counts)), np.int64)
    np.add.at(counts, (clients, classes), 1)
    return counts


@pytest.mark.parametrize("rule", RULES, ids=str)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda c: sum(c) >= 30),
    seed=st.integers(0, 2**32),
)
def test_every_sample_belongs_to_at_most_one_client(
    rule: PartitionRule, counts: list[int], seed: int
) -> None:
    dealt = partition(counts, 5, rule, seed)
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    shards = shards_of(dealt, labels)
    assert tuple(len(shard) for shard in shards) == dealt.sizes
    samples = np.concatenate(shards)
    assert len(np.unique(samples)) == len(samples)
    assert (np.sort(samples) < sum(counts)).all()
    assert len(samples) == sum(counts) or not isinstance(rule, USES_ALL)
    actual = [np.bincount(labels[shard], minlength=len(counts)).tolist() for shard in shards]
    assert actual == composition(dealt).tolist()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_shards_depend_on_the_seed(rule: PartitionRule) -> None:
    labels = np.repeat(np.arange(10), 20)
    first, again, other = (
        [shard.tolist() for shard in shards_of(partition((20,) * 10, 5, rule, seed), labels)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first[:2] != other[:2]


def test_labels_of_another_selection_are_refused() -> None:
    dealt = partition((20,) * 10, 5, Iid(), 0)
    with pytest.raises(AssertionError):
        dealt.order(np.zeros(200, np.int64))


def test_iid_shards_differ_by_at_most_one_sample() -> None:
    sizes = partition(DATASETS["digits"].train_counts, 100, Iid(), 0).sizes
    assert sum(sizes) == 1797
    assert set(sizes) == {17, 18}


def test_iid_shards_are_as_mixed_as_random_ones() -> None:
    """Theory: with fixed margins the chi-square statistic of a random table has mean
    N / (N - 1) x (clients - 1)(classes - 1), and about the variance of its distribution.
    """
    clients, runs, n = 8, 200, 4000
    statistics = []
    for seed in range(runs):
        actual = composition(partition((400,) * 10, clients, Iid(), seed))
        expected = n / clients / 10
        statistics.append(((actual - expected) ** 2 / expected).sum())
    freedom = (clients - 1) * 9
    mean = n / (n - 1) * freedom
    assert abs(np.mean(statistics) - mean) < 4 * np.sqrt(2 * freedom / runs)
    beyond = np.mean(np.array(statistics) > chi2.ppf(0.95, freedom))
    assert abs(beyond - 0.05) < 4 * np.sqrt(0.05 * 0.95 / runs)


def test_every_sample_is_equally_likely_for_every_client() -> None:
    """Theory: sample 0 goes to each of 5 clients with probability 1/5."""
    labels = np.repeat(np.arange(4), 10)
    for rule in (Iid(), Shards(2), Dirichlet(1.0, min_samples=0), Sizes(8)):
        holders = [
            next(c for c, shard in enumerate(shards_of(dealt, labels)) if 0 in shard)
            for dealt in (partition((10,) * 4, 5, rule, seed) for seed in range(500))
        ]
        share = np.bincount(holders, minlength=5) / 500
        assert np.abs(share - 0.2).max() < 4 * np.sqrt(0.2 * 0.8 / 500)


def test_ecofeds_shards_have_one_class_each() -> None:
    """500 shards of 100 samples, 5 for each of 100 clients (the setting of its public code)."""
    dealt = partition(CIFAR, 100, Shards(per_client=5), 0)
    assert dealt.sizes == (500,) * 100
    counts = composition(dealt)
    assert (counts % 100 == 0).all()
    classes = (counts > 0).sum(axis=1)
    assert classes.max() <= 5
    # Theory: 5 of 500 shards, 50 per class, miss a class with chance C(450, 5) / C(500, 5).
    missed = np.prod([(450 - k) / (500 - k) for k in range(5)])
    assert abs(classes.mean() - 10 * (1 - missed)) < 4 * 0.8 / np.sqrt(100)


def test_shards_of_a_given_size_leave_the_rest_undealt() -> None:
    dealt = partition(CIFAR, 10, Shards(per_client=5, size=100), 0)
    assert dealt.sizes == (500,) * 10
    assert (composition(dealt) % 100 == 0).all()


def test_shards_that_do_not_divide_evenly_still_use_every_sample() -> None:
    dealt = partition(DATASETS["digits"].train_counts, 7, Shards(per_client=2), 0)
    assert sum(dealt.sizes) == 1797
    assert ((composition(dealt) > 0).sum(axis=1) <= 4).all()  # a shard can span two classes


@pytest.mark.parametrize("alpha", [0.1, 0.5, 5.0])
def test_dirichlet_shares_have_the_mean_and_variance_of_theory(alpha: float) -> None:
    """Theory: mean 1/K, variance (K - 1) / (K^2 (K alpha + 1)); within 5 standard errors."""
    clients, classes, each = 10, 2000, 2_000
    rule = Dirichlet(alpha, min_samples=0)
    shares = composition(partition((each,) * classes, clients, rule, 0)) / each
    variance = (clients - 1) / (clients**2 * (clients * alpha + 1))
    assert np.abs(shares.mean(axis=1) - 1 / clients).max() < 5 * np.sqrt(variance / classes)
    squares = (shares - 1 / clients) ** 2
    for client in range(clients):
        error = squares[client].std() / np.sqrt(classes)
        assert abs(squares[client].mean() - variance) < 5 * error


def test_a_small_alpha_gives_fewer_classes_per_client() -> None:
    classes = [
        (composition(partition(CIFAR, 20, Dirichlet(alpha), 0)) > 50).sum(axis=1).mean()
        for alpha in (0.05, 0.5, 50.0)
    ]
    assert classes[0] < 5 < classes[1] < 9 < classes[2]
    assert classes[2] == 10


def test_dirichlet_repeats_the_draw_until_every_client_has_enough() -> None:
    least = [
        min(partition((100,) * 10, 10, Dirichlet(0.5, min_samples=need), 7).sizes)
        for need in (0, 40)
    ]
    assert least[0] < 40 <= least[1]


def test_drawn_sizes_have_the_mean_and_variance_of_theory() -> None:
    """Dirichlet: mean 1/K, variance (K - 1) / (K^2 (K alpha + 1)). Log-normal: Var log(a/b) = 2 s^2.

    Within 5 standard errors; shards are IID.
    """
    clients, alpha, total = 5, 0.5, 100_000
    rule = Quantity(dirichlet=alpha, min_samples=0)
    dealt = [partition((total // 2,) * 2, clients, rule, seed) for seed in range(300)]
    shares = np.array([one.sizes for one in dealt]) / total
    variance = (clients - 1) / (clients**2 * (clients * alpha + 1))
    assert np.abs(shares.mean(axis=0) - 1 / clients).max() < 5 * np.sqrt(variance / len(shares))
    squares = (shares - 1 / clients) ** 2
    assert abs(squares.mean() - variance) < 5 * squares.std() / np.sqrt(squares.size)
    halves = composition(dealt[0])[:, 0] / np.maximum(dealt[0].sizes, 1)
    assert (np.abs(halves - 0.5) * np.sqrt(dealt[0].sizes) < 2.5).all()

    sizes = np.array(partition((10**6,), 400, Quantity(lognormal=1.0), 0).sizes)
    ratios = np.log(sizes[::2] / sizes[1::2])
    assert abs(ratios.var() - 2) < 5 * 2 * np.sqrt(2 / len(ratios))
    huge = partition((100,), 4, Quantity(lognormal=1e6, min_samples=0), 0).sizes
    assert sorted(huge) == [0, 0, 0, 100]


def test_shards_have_the_given_sizes() -> None:
    assert partition((50, 50), 3, Sizes((10, 20, 70)), 0).sizes == (10, 20, 70)
    assert partition((50, 50), 3, Sizes(30), 0).sizes == (30, 30, 30)


@pytest.mark.parametrize(
    ("clients", "rule", "message"),
    [
        (0, Iid(), "at least one client, got 0"),
        (101, Iid(), "101 clients cannot share 100 samples"),
        (3, Sizes((1, 2)), "2 are given for 3 clients"),
        (3, Sizes(40), "need 120 samples in all, and there are 100"),
        (60, Shards(2), "60 clients with 2 each need 120 shards, and there are 100 samples"),
        (6, Shards(2, size=10), "need 12 shards of 10 samples, and there are 100"),
        (3, Dirichlet(1.0, min_samples=34), "3 clients with at least 34 samples each need 102"),
        (10, Dirichlet(0.01, min_samples=9), "fewer than 9 samples in each of 100 draws"),
        (101, Quantity(lognormal=1.0), "quantity: 101 clients with at least 1 samples each need"),
        (10, Quantity(dirichlet=0.01, min_samples=9), "quantity: left some client with fewer"),
    ],
)
def test_an_impossible_partition_is_refused_with_one_sentence(
    clients: int, rule: PartitionRule, message: str
) -> None:
    with pytest.raises(PartitionError) as caught:
        partition((50, 50), clients, rule, 0)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sizes", {"sizes": 0}),
        ("sizes", {"sizes": ()}),
        ("sizes", {"sizes": (3, -1)}),
        ("shards", {"per_client": 0}),
        ("shards", {"per_client": 1, "size": 0}),
        ("dirichlet", {"alpha": 0.0}),
        ("dirichlet", {"alpha": -1.0}),
        ("dirichlet", {"alpha": float("nan")}),
        ("dirichlet", {"alpha": float("inf")}),
        ("dirichlet", {"alpha": 1.0, "min_samples": -1}),
        ("quantity", {}),
        ("quantity", {"dirichlet": 1.0, "lognormal": 1.0}),
        ("quantity", {"dirichlet": 0.0}),
        ("quantity", {"lognormal": float("inf")}),
        ("quantity", {"lognormal": 1.0, "min_samples": -1}),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict) -> None:
    with pytest.raises(PartitionError, match=f"{name}: "):
        PARTITIONS[name](**options)


def test_a_hundred_thousand_clients_can_be_dealt() -> None:
    dealt = partition((100_000,) * 10, 100_000, Iid(), 0)
    assert set(dealt.sizes) == {10}
    assert composition(dealt).sum(axis=1)[-1] == 10


def test_dirichlet_has_a_limit_of_samples() -> None:
    with pytest.raises(PartitionError, match="at most 20,000,000 samples one by one"):
        Dirichlet(0.5).deal(np.array([10**15, 10**15]), 3, 0)

from itertools import pairwise

import numpy as np

from cutlayer.streams import generator


def test_a_stream_depends_only_on_its_name() -> None:
    first = generator(0, "batch order", 3, 7).random(5)
    np.random.default_rng().random(100)
    generator(0, "batch order", 4, 7).random(100)
    assert generator(0, "batch order", 3, 7).random(5).tolist() == first.tolist()


def test_a_known_stream_is_unchanged() -> None:
    """Renaming streams changes every result, and belongs in the changelog."""
    assert generator(0, "batch order", 3, 7).integers(0, 1000, 5).tolist() == GOLDEN


GOLDEN = [941, 24, 326, 987, 524]


def test_similar_names_are_different_streams() -> None:
    names = [
        (0, "order", 1, 23),
        (0, "order", 12, 3),
        (0, "order", 123),
        (0, "order"),
        (0, "order 1", 23),
        (1, "order", 1, 23),
        (-1, "order", 1, 23),
        (0, "order", -1, 23),
        (0, "orders", 1, 23),
    ]
    draws = sorted(generator(seed, purpose, *key).random() for seed, purpose, *key in names)
    assert all(a < b for a, b in pairwise(draws))


def test_numpy_numbers_name_the_same_stream_as_python_numbers() -> None:
    assert generator(np.int64(2), "x", np.int32(5)).random() == generator(2, "x", 5).random()


def test_first_draws_of_neighbouring_streams_are_uniform_and_uncorrelated() -> None:
    """Theory: mean 1/2 with standard error sqrt(1/12n); lag correlation with error 1/sqrt(n)."""
    draws = np.array([generator(0, "client", client).random() for client in range(4000)])
    assert abs(draws.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 4000)
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 4 / np.sqrt(4000)

"""Statistics of draws against analytic cases."""

import numpy as np
import pytest

from cutlayer.sim.uncertainty.statistics import (
    Moves,
    answers_of,
    columns_of,
    faster_shares,
    interval_of,
    is_undecided,
    most_open,
    moves,
    summary_of,
    undecided_pairs,
)

DRAWS = 200


def factors(
    count: int, draws: int = DRAWS, seed: int = 0, spread: float = 0.2
) -> dict[str, np.ndarray]:
    """Lognormal factors whose logarithms have equal variances and no correlation, exactly."""
    table = np.random.default_rng(seed).normal(size=(draws, count))
    table -= table.mean(axis=0)
    if draws > count:
        table = np.linalg.qr(table)[0] * np.sqrt(draws)
    return {f"device-{i // 2}: figure {i}": np.exp(spread * table[:, i]) for i in range(count)}


def test_the_interval_of_known_values_is_that_of_their_quantiles() -> None:
    values = np.random.default_rng(1).permutation(1001).astype(float)
    assert interval_of(values, 0.9) == pytest.approx((50, 500, 950))
    assert interval_of(values, 0.5) == pytest.approx((250, 500, 750))
    assert interval_of([3.0, 3.0], 0.9) == (3.0, 3.0, 3.0)
    assert interval_of([3.0, np.nan]) is None
    assert interval_of([]) is None


def test_shares_of_draws_add_up_and_a_tie_counts_half() -> None:
    faster = faster_shares({"a": [1, 1, 1, 1], "b": [2, 2, 0.5, 1], "c": [3, 3, 3, 3]})
    assert faster == {
        "a": {"b": 0.625, "c": 1.0},
        "b": {"a": 0.375, "c": 1.0},
        "c": {"a": 0.0, "b": 0.0},
    }
    assert undecided_pairs(faster) == [("a", "b", 0.625)]


@pytest.mark.parametrize(
    ("share", "open_"),
    [(0.0, False), (0.04, False), (0.05, True), (0.5, True), (0.95, True), (0.96, False)],
)
def test_a_pair_is_undecided_within_the_stated_shares(share: float, open_: bool) -> None:
    assert is_undecided(share) is open_


def test_the_most_open_pair_comes_first_and_its_faster_method_too() -> None:
    faster = {
        "a": {"b": 0.1, "c": 0.4, "d": 1.0},
        "b": {"a": 0.9, "c": 0.8, "d": 1.0},
        "c": {"a": 0.6, "b": 0.2, "d": 1.0},
        "d": {"a": 0.0, "b": 0.0, "c": 0.0},
    }
    assert undecided_pairs(faster) == [("c", "a", 0.6), ("b", "c", 0.8), ("b", "a", 0.9)]


def test_of_a_product_of_powers_each_factor_moves_its_squared_exponent() -> None:
    """log y = 3 a + 2 b + c has variances 9, 4 and 1 of 14, and nothing of d's."""
    a, b, c, d = factors(4).values()
    found = moves(a**3 * b**2 * c * 5.0, dict(zip("abcd", (a, b, c, d), strict=True)))
    assert found is not None
    assert list(found.shares)[:3] == ["a", "b", "c"]
    assert found.shares == pytest.approx({"a": 9 / 14, "b": 4 / 14, "c": 1 / 14, "d": 0}, abs=1e-9)
    assert found.explained == pytest.approx(1)
    assert not found.ranks


def test_sampled_factors_come_within_the_error_of_sampling() -> None:
    rng = np.random.default_rng(3)
    drawn = {name: np.exp(0.3 * rng.normal(size=1000)) for name in "abc"}
    found = moves(drawn["a"] * drawn["b"] ** 2 / drawn["c"], drawn)
    assert found is not None
    assert found.shares == pytest.approx({"a": 1 / 6, "b": 4 / 6, "c": 1 / 6}, abs=0.05)


def test_a_sum_of_two_equal_parts_moves_with_each_to_the_same_degree() -> None:
    """Near (1, 1), log(a + b) is (log a + log b) / 2: the linear case."""
    a, b = factors(2, spread=0.02).values()
    found = moves(a + b, {"a": a, "b": b})
    assert found is not None
    assert found.shares == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.01)
    assert found.explained > 0.999


def test_correlated_factors_divide_what_they_explain_together() -> None:
    rng = np.random.default_rng(5)
    common = rng.normal(size=DRAWS)
    drawn = {name: np.exp(common + 0.05 * rng.normal(size=DRAWS)) for name in "ab"}
    drawn["c"] = np.exp(rng.normal(size=DRAWS))
    found = moves(drawn["a"] * drawn["c"], drawn)
    assert found is not None
    assert found.shares["a"] == pytest.approx(found.shares["b"], abs=0.05)
    assert found.shares["a"] + found.shares["b"] == pytest.approx(0.5, abs=0.1)
    assert sum(found.shares.values()) == pytest.approx(1, abs=0.02)


def test_an_answer_that_is_not_linear_but_monotonic_is_explained_by_ranks() -> None:
    rng = np.random.default_rng(7)
    drawn = {name: np.exp(0.5 * rng.normal(size=DRAWS)) for name in "ab"}
    found = moves(np.exp(drawn["a"] ** 3), drawn)
    assert found is not None
    assert found.ranks
    assert found.shares["a"] > 0.9 > 0.05 > found.shares["b"]


def test_noise_explains_nothing() -> None:
    rng = np.random.default_rng(11)
    drawn = {f"x{i}": np.exp(rng.normal(size=DRAWS)) for i in range(20)}
    found = moves(np.exp(rng.normal(size=DRAWS)), drawn)
    assert found is not None
    assert found.explained < 0.15
    assert sum(found.shares.values()) < 0.25


def test_more_factors_than_draws_still_find_the_one_that_matters() -> None:
    rng = np.random.default_rng(13)
    drawn = {f"x{i}": np.exp(0.2 * rng.normal(size=50)) for i in range(300)}
    answer = drawn["x7"] ** 3 * drawn["x100"] * np.exp(0.05 * rng.normal(size=50))
    found = moves(answer, drawn)
    assert found is not None
    first, second, *others = found.shares.values()
    assert next(iter(found.shares)) == "x7"
    assert first > 0.6 > 0.3 > second
    assert sum(found.shares.values()) <= 1 + 1e-9
    again = moves(
        np.append(answer[1:], answer[0]), {k: np.append(v[1:], v[0]) for k, v in drawn.items()}
    )
    assert again is not None
    assert again.shares == pytest.approx(dict(found.shares), abs=1e-9)
    assert len(others) == 298


def test_nothing_moves_an_answer_that_does_not_vary_or_has_too_few_draws() -> None:
    drawn = factors(2)
    assert moves(np.full(DRAWS, 2.0), drawn) is None
    assert moves(np.full(DRAWS, np.nan), drawn) is None
    assert moves(np.arange(1.0, DRAWS + 1), {"a": np.ones(DRAWS)}) is None
    assert moves([1.0, 2.0], {"a": [1.0, 2.0]}) is None


def test_shares_are_summed_by_device_and_link() -> None:
    found = Moves({"pi: form": 0.4, "link 4g: up": 0.3, "pi: weight_stream": 0.2}, 0.9)
    assert found.by_source() == pytest.approx({"pi": 0.6, "link 4g": 0.3})


def test_the_summary_follows_the_contract() -> None:
    drawn = factors(4)
    one, two, three, _ = drawn.values()
    draws = {
        "fast": {"round_time_s": one, "virtual_time_s": 3 * one},
        "slow": {"round_time_s": 1.01 * two, "virtual_time_s": 3.03 * two, "target_s": 2 * two},
        "last": {"round_time_s": 9 * three, "virtual_time_s": 27 * three},
    }
    summary = summary_of(draws, drawn, 0.8)
    assert summary["draws"] == DRAWS
    assert summary["interval"] == 0.8
    assert summary["methods"]["slow"]["target_s"] == pytest.approx(
        [2 * q for q in np.quantile(two, [0.1, 0.5, 0.9])]
    )
    assert "target_s" not in summary["methods"]["fast"]
    assert 0.3 < summary["faster"]["fast"]["slow"] < 0.7
    name = "round_time_s: fast / slow"
    shares = {m["factor"]: m["share"] for m in summary["moves"] if m["of"] == name}
    assert shares == pytest.approx({"device-0: figure 0": 0.5, "device-0: figure 1": 0.5})
    assert summary["explained"][name] == pytest.approx(1)
    assert most_open(draws) == name


def test_a_factor_common_to_all_methods_moves_no_ratio() -> None:
    (common,) = factors(1).values()
    draws = {
        label: {"round_time_s": k * common, "virtual_time_s": k * common}
        for label, k in (("a", 1.0), ("b", 2.0))
    }
    assert np.ptp(answers_of(draws)["round_time_s: a / b"]) < 1e-12
    summary = summary_of(draws, {"pi: form": common})
    assert {moved["of"] for moved in summary["moves"]} == {"a", "b"}
    assert most_open(draws) is None


def test_a_method_that_cannot_end_in_a_draw_is_slower_there_and_has_no_interval() -> None:
    rows = [
        {"draw": draw, "label": label, "round_time_s": time, "virtual_time_s": time}
        for draw in range(40)
        for label, time in (("sure", 1.0 + draw), ("stuck", None if draw < 10 else 0.5))
    ]
    summary = summary_of(columns_of(rows), {"pi: form": np.arange(1.0, 41.0)})
    assert summary["faster"]["sure"]["stuck"] == pytest.approx(0.25)
    assert summary["faster"]["stuck"]["sure"] == pytest.approx(0.75)
    assert summary["methods"]["stuck"] == {}
    assert {moved["of"] for moved in summary["moves"]} == {"sure"}
    assert most_open(columns_of(rows)) is None


def test_rows_become_columns_by_label_with_nan_for_what_is_unknown() -> None:
    rows = [
        {"draw": i, "label": label, "round_time_s": 1.0 + i, "virtual_time_s": 2.0, "target_s": at}
        for i, at in enumerate((None, 5.0))
        for label in ("a", "b")
    ]
    found = columns_of(rows)
    assert list(found) == ["a", "b"]
    assert found["a"]["round_time_s"].tolist() == [1.0, 2.0]
    assert np.isnan(found["b"]["target_s"][0])
    assert found["b"]["target_s"][1] == 5.0

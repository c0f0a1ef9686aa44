"""Statistics of draws: intervals, which method is faster, and what moves an answer most.

Pure functions on arrays with one entry for each draw, in the same order in all arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Interval = tuple[float, float, float]  # low, median, high
Faster = Mapping[str, Mapping[str, float]]  # by label and other: share of draws in which label wins

UNDECIDED: Final = (0.05, 0.95)  # shares of draws between which a comparison is undecided
MIN_DRAWS: Final = 20  # fewer say nothing about what moves an answer
DRAWS_PER_FACTOR: Final = (
    5  # in a regression; of more factors those with the largest correlations stay
)
BETTER: Final = 0.05  # by how much more of the variance ranks must explain than logarithms
SLIGHT: Final = 1e-3  # of the variance; the summary leaves out factors that explain less
_SAME: Final = 1e-9  # a relative spread below this is rounding
ALWAYS: Final = ("round_time_s", "virtual_time_s")  # columns of draws.csv that every run has
FIGURES: Final = (*ALWAYS, "target_s")


def interval_of(values: ArrayLike, level: float = 0.9) -> Interval | None:
    """Return the quantiles (1 - level) / 2, 1/2 and (1 + level) / 2; None if any value is unknown."""
    known = np.asarray(values, dtype=np.float64)
    if not len(known) or not np.isfinite(known).all():
        return None
    low, median, high = np.quantile(known, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return float(low), float(median), float(high)


def faster_shares(times: Mapping[str, ArrayLike]) -> dict[str, dict[str, float]]:
    """Return for every label and other label the share of draws in which the first is faster.

    A tie counts half for each. A time that is NaN never ends.
    """
    known = {
        label: np.nan_to_num(np.asarray(values, dtype=np.float64), nan=np.inf)
        for label, values in times.items()
    }
    return {
        label: {
            other: float(np.mean((own < others) + 0.5 * (own == others)))
            for other, others in known.items()
            if other != label
        }
        for label, own in known.items()
    }


def is_undecided(share: float) -> bool:
    """Whether a comparison flips within what is known: neither method wins in almost all draws."""
    low, high = UNDECIDED
    return low <= share <= high


def undecided_pairs(faster: Faster) -> list[tuple[str, str, float]]:
    """Return the undecided pairs with the share of draws in which the first one is faster.

    The method that is faster more often comes first, and the most open pair is the first of the list.
    """
    pairs = []
    for first, second in combinations(faster, 2):
        share = faster[first][second]
        if is_undecided(share):
            pairs.append((first, second, share) if share >= 0.5 else (second, first, 1 - share))
    return sorted(pairs, key=lambda pair: pair[2])


@dataclass(frozen=True)
class Moves:
    """What moves an answer: the share of the variance of its logarithm that each factor explains.

    `shares` are in descending order. `explained` is the adjusted R^2 of the regression: how much all
    factors explain together. With `ranks` the shares are those of the ranks, because the logarithm of
    the answer is far from linear in those of the factors.
    """

    shares: Mapping[str, float]
    explained: float
    ranks: bool = False

    def by_source(self) -> dict[str, float]:
        """Return the shares summed over the factors of each device or link, in descending order."""
        sums: dict[str, float] = {}
        for factor, share in self.shares.items():
            sums[source_of(factor)] = sums.get(source_of(factor), 0.0) + share
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


def source_of(factor: str) -> str:
    """Return the device or link of a factor: "raspberry-pi-4b" of "raspberry-pi-4b: form"."""
    return factor.partition(": ")[0]


def moves(answer: ArrayLike, factors: Mapping[str, ArrayLike]) -> Moves | None:
    """Return which drawn factors move a positive answer, by regression on logarithms.

    The shares are Johnson's relative weights (Multivariate Behavioral Research 35:1, 2000). For
    independent factors these are the squared standardised regression coefficients, and for a product
    of powers the first-order Sobol indices of the logarithm. Correlated factors divide what they explain
    together. Ridge regression with a penalty from generalised cross-validation keeps the weights stable,
    and what chance alone would explain is subtracted. If there are more factors than a fifth of the
    draws, forward selection first chooses those that explain more than the best of as many by chance.

    None if the answer does not vary, is unknown in a draw, or there are fewer than `MIN_DRAWS` draws.
    """
    values = np.asarray(answer, dtype=np.float64)
    if len(values) < MIN_DRAWS or not np.isfinite(values).all() or values.min() <= 0:
        return None
    logs = {name: np.log(np.asarray(drawn, dtype=np.float64)) for name, drawn in factors.items()}
    varying = {name: drawn for name, drawn in logs.items() if np.ptp(drawn) > _SAME}
    target = np.log(values)
    if not varying or np.ptp(target) <= _SAME:
        return None
    table, names = np.column_stack(list(varying.values())), list(varying)
    shares, explained = _relative_weights(table, target)
    ranks = False
    if explained < 1 - BETTER:
        by_rank, more = _relative_weights(_ranks(table), _ranks(target[:, None])[:, 0])
        if more > explained + BETTER:
            shares, explained, ranks = by_rank, more, True
    found = {name: float(share) for name, share in zip(names, shares, strict=True)}
    return Moves(dict(sorted(found.items(), key=lambda item: -item[1])), explained, ranks)


def _ranks(table: Array) -> Array:
    return table.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable").astype(np.float64)


def _unit(table: Array) -> Array:
    """Return columns with mean 0 and length 1."""
    centred = table - table.mean(axis=0)
    unit: Array = centred / np.linalg.norm(centred, axis=0)
    return unit


def _relative_weights(table: Array, target: Array) -> tuple[Array, float]:
    """Return each column's share of the variance of the target, and the adjusted R^2."""
    draws = len(target)
    columns, aim = _unit(table), _unit(target[:, None])[:, 0]
    shares = np.zeros(table.shape[1])
    kept = _selected(columns, aim)
    if not kept:
        return shares, 0.0
    left, lengths, right = np.linalg.svd(columns[:, kept], full_matrices=False)
    real = lengths > 1e-9 * lengths[0]
    left, lengths, axes = left[:, real], lengths[real], right[real].T
    projected = left.T @ aim
    outside = max(1.0 - float(projected @ projected), 0.0)
    best: tuple[float, float, float, Array] | None = None
    for penalty in (0.0, *np.geomspace(1e-8, 1e2, 41)):
        kept_share = lengths**2 / (lengths**2 + penalty)
        error = outside + float(np.sum(((1 - kept_share) * projected) ** 2))
        free = draws - 1 - float(kept_share.sum())
        score = error / free**2
        if best is None or score < best[0]:
            best = score, error, free, kept_share
    assert best is not None
    _, error, free, kept_share = best
    mixing = ((axes * lengths) @ axes.T) ** 2
    weights = mixing @ (axes @ (kept_share * projected)) ** 2
    by_chance = mixing @ (axes**2 @ kept_share**2) * error / free
    shares[kept] = np.maximum(weights - by_chance, 0.0)
    return shares, max(0.0, 1.0 - error * (draws - 1) / free)


def _selected(columns: Array, aim: Array) -> list[int]:
    """Return the columns of the regression: all, or of many a few by forward selection."""
    draws, count = columns.shape
    most = draws // DRAWS_PER_FACTOR
    if count <= most:
        return list(range(count))
    chosen: list[int] = []
    rest = aim
    while len(chosen) < most:
        correlations = np.abs(columns.T @ rest)
        best = int(correlations.argmax())
        by_chance = (
            2 * np.log(count) / (draws - 1 - len(chosen))
        )  # of the squared largest of `count`
        if best in chosen or correlations[best] ** 2 <= by_chance * float(rest @ rest):
            break
        chosen.append(best)
        basis = np.linalg.qr(columns[:, chosen])[0]
        rest = aim - basis @ (basis.T @ aim)
    return sorted(chosen)


def name_of_ratio(figure: str, first: str, second: str) -> str:
    """Return the name of the ratio of two methods' figures, as in "moves" of summary.json."""
    return f"{figure}: {first} / {second}"


def answers_of(draws: Mapping[str, Mapping[str, ArrayLike]]) -> dict[str, Array]:
    """Return the answers whose causes are of interest, by name: each round time and each ratio of two.

    `draws` has the columns of draws.csv by label.
    """
    times = {
        label: np.asarray(columns["round_time_s"], dtype=np.float64)
        for label, columns in draws.items()
    }
    ratios = {
        name_of_ratio("round_time_s", first, second): times[first] / times[second]
        for first, second in combinations(times, 2)
    }
    return times | ratios


def most_open(draws: Mapping[str, Mapping[str, ArrayLike]]) -> str | None:
    """Return the name of the answer that is most open; None if nothing varies.

    That is the ratio of the pair whose order is least certain, else of the pair whose ratio varies most;
    with one method its round time.
    """
    answers = answers_of(draws)
    pairs = {name_of_ratio("round_time_s", *pair): pair for pair in combinations(draws, 2)}
    faster = faster_shares({label: columns["virtual_time_s"] for label, columns in draws.items()})
    open_ones = {
        name: abs(faster[first][second] - 0.5)
        for name, (first, second) in pairs.items()
        if is_undecided(faster[first][second]) and _width(answers[name]) > _SAME
    }
    if open_ones:
        return min(open_ones, key=lambda name: open_ones[name])
    names = list(pairs) or list(answers)
    widths = {name: _width(answers[name]) for name in names}
    widest = max(widths, key=lambda name: widths[name], default=None)
    return widest if widest is not None and widths[widest] > _SAME else None


def _width(answer: Array) -> float:
    """Return the standard deviation of the logarithm; 0 if a value is unknown."""
    return float(np.std(np.log(answer))) if np.isfinite(answer).all() else 0.0


def summary_of(
    draws: Mapping[str, Mapping[str, ArrayLike]],
    factors: Mapping[str, ArrayLike],
    level: float = 0.9,
) -> dict[str, Any]:
    """Return `uncertainty` of summary.json from the columns of draws.csv by label and factors.csv.

    `target_s` may be absent, and is left out for a method that misses the target in a draw.
    """
    count = max((len(np.asarray(c["round_time_s"])) for c in draws.values()), default=0)
    methods: dict[str, dict[str, list[float]]] = {}
    for label, columns in draws.items():
        found = {name: interval_of(columns[name], level) for name in FIGURES if name in columns}
        methods[label] = {name: list(at) for name, at in found.items() if at is not None}
    listed: list[dict[str, Any]] = []
    explained: dict[str, float] = {}
    for name, answer in answers_of(draws).items():
        moved = moves(answer, factors)
        if moved is not None:
            explained[name] = moved.explained
            listed += [
                {"factor": factor, "of": name, "share": share}
                for factor, share in moved.shares.items()
                if share >= SLIGHT
            ]
    return {
        "draws": count,
        "interval": level,
        "methods": methods,
        "faster": faster_shares({label: c["virtual_time_s"] for label, c in draws.items()}),
        "moves": listed,
        "explained": explained,
    }


def columns_of(rows: Sequence[Mapping[str, Any]], by: str = "label") -> dict[str, dict[str, Array]]:
    """Return rows of draws.csv as columns of floats by label, unknown values as NaN."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(str(row[by]), []).append(row)
    return {
        label: {
            name: np.array([np.nan if row.get(name) is None else row[name] for row in own], float)
            for name in FIGURES
            if name in ALWAYS or any(row.get(name) is not None for row in own)
        }
        for label, own in grouped.items()
    }

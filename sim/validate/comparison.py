"""Measured figures beside predicted ones: errors, order, speedups between methods, and a verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, median
from typing import Final

import numpy as np

from cutlayer.sim.validate.measured import MIB, WHATS, Measured
from cutlayer.sim.validate.table import Kind, Line, absolute_errors, deviation_text, kendall_tau

Figures = Sequence[tuple[float, float]]  # predicted seconds and bytes of each row

TRAFFIC: Final = "traffic"
_SPEEDUPS_FROM: Final = ("round", "iteration")


@dataclass(frozen=True)
class Compared:
    """A row's seconds or traffic beside the prediction."""

    row: Measured
    line: Line

    @property
    def noise(self) -> float | None:
        """The relative standard error of a measured time; None if its spread is unknown."""
        row = self.row
        if self.line.unit != "s" or row.spread_s is None or row.seconds is None:
            return None
        return float(row.spread_s / row.count**0.5 / row.seconds)


@dataclass(frozen=True)
class Score:
    """Errors of one part of a round, or of the traffic: relative, and without rows that were fitted."""

    what: str
    rows: int
    mean_absolute: float
    median_absolute: float
    mean: float
    tau: float | None


@dataclass(frozen=True)
class Comparison:
    """All figures of a testbed, times and traffic in the order of the file.

    `speedups` has the ratio of every pair of methods with common rows, the slower over the faster one.
    It is that of their round times over all rounds if both have them, else the ratio of the sums over
    the rows that both have (same rounds, type, part and client).

    `level` is the share of the draws in an interval; None without intervals. `uncertain` says that
    figures behind the times are not known exactly.
    """

    compared: tuple[Compared, ...]
    speedups: tuple[Line, ...]
    level: float | None = None
    uncertain: bool = False

    def lines(self, what: str | None = None) -> list[Line]:
        """Return the times of one part of a round (all: None), or the `TRAFFIC`."""
        return [
            one.line
            for one in self.compared
            if (one.line.unit == "MiB") == (what == TRAFFIC)
            and what in (None, TRAFFIC, one.row.what)
        ]

    def scores(self) -> list[Score]:
        """Return the errors by part, in the order of `WHATS`; parts with fitted rows only have none."""
        scores = []
        for what in (*WHATS, TRAFFIC):
            lines = not_fitted(self.lines(what))
            if errors := absolute_errors(lines):
                bias = fmean(line.deviation for line in lines if line.deviation is not None)
                tau = kendall_tau(lines)
                scores.append(Score(what, len(lines), fmean(errors), median(errors), bias, tau))
        return scores

    def verdict(self) -> list[str]:
        """Return sentences: the error of the times, their order, the speedups, the worst part."""
        times = not_fitted(self.lines())
        if not (errors := absolute_errors(times)):
            return ["Every time was fitted: nothing here says how well the scenario predicts."]
        worst = max(times, key=lambda line: abs(line.deviation or 0.0))
        sentences = [
            f"The {len(times)} times that were not fitted are off by {_percent(fmean(errors))} on"
            f" average (median {_percent(median(errors))}), at most by {deviation_text(worst)}"
            f" ({worst.quantity})."
            if len(times) > 1
            else f"The only time that was not fitted is off by {deviation_text(worst)}."
        ]
        sentences += [sentence for sentence in (self._order(), self._worst_part()) if sentence]
        known = [line.inside for line in self.lines() if line.inside is not None]
        if known:
            inside = f"{sum(known)} of {len(known)} measured times lie inside"
            sentences.append(f"{inside} the {level_text(self.level)} interval of the prediction.")
        return sentences

    def _order(self) -> str | None:
        """Return whether the methods are in the measured order; None with a single one."""
        pairs = self.speedups
        if not pairs:
            return None
        wrong = [line.quantity.split(" / ") for line in pairs if (line.simulated or 0.0) < 1]
        if not wrong:
            return "The methods are in the measured order" + _of_speedups(pairs)
        named = "; ".join(f"{fast} before {slow}" for slow, fast in wrong)
        count = f"{len(wrong)} of {len(pairs)} pairs of methods"
        return f"{count} are in the WRONG order; measured: {named}."

    def _worst_part(self) -> str | None:
        parts = [one for one in self.scores() if one.what not in (*_SPEEDUPS_FROM, TRAFFIC)]
        if not parts:
            return None
        worst = max(parts, key=lambda score: score.mean_absolute)
        return (
            f"The part of a round with the largest error is {worst.what.replace('_', ' ')}:"
            f" {_percent(worst.mean_absolute)} on average."
        )


def compare(
    rows: Sequence[Measured],
    figures: Figures,
    drawn: Sequence[Figures] = (),
    *,
    level: float = 0.9,
    uncertain: bool = False,
) -> Comparison:
    """Return the rows beside their predicted figures.

    `drawn` has the figures of draws, of which times and speedups get intervals with this `level`.
    """
    compared = _beside(rows, figures)
    speedups = _speedups(compared)
    if drawn:
        others = [_beside(rows, own) for own in drawn]
        compared = [
            replace(one, line=_with_interval(one.line, [other[n].line for other in others], level))
            for n, one in enumerate(compared)
        ]
        pairs = [_speedups(other) for other in others]
        speedups = [
            _with_interval(line, [own[n] for own in pairs], level)
            for n, line in enumerate(speedups)
        ]
    return Comparison(tuple(compared), tuple(speedups), level if drawn else None, uncertain)


def _beside(rows: Sequence[Measured], figures: Figures) -> list[Compared]:
    compared = []
    for row, (seconds, traffic) in zip(rows, figures, strict=True):
        repeats = f"repeated {row.count} times" if row.count > 1 else ""
        if row.seconds is not None:
            name = f"{row.method}, {row.part}"
            line = Line(name, "s", row.seconds, row.kind, seconds, row.where, repeats)
            compared.append(Compared(row, line))
        if row.traffic_bytes is not None:
            measured, ours = row.traffic_bytes / MIB, traffic / MIB
            name = f"{row.method}, bytes of a {row.part}".replace("of a round ", "of round ")
            line = Line(name, "MiB", measured, "predicted", ours, row.where, repeats)
            compared.append(Compared(row, line))
    return compared


def _with_interval(line: Line, drawn: Sequence[Line], level: float) -> Line:
    """Return a time or a speedup with the interval of its draws; traffic has none."""
    if line.unit == "MiB":
        return line
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile([one.simulated or 0.0 for one in drawn], tails)
    return replace(line, interval=(float(low), float(high)))


def _speedups(compared: Sequence[Compared]) -> list[Line]:
    lines, own = [], _times_by_method(compared)
    for pair in combinations(own, 2):
        common = own[pair[0]].keys() & own[pair[1]].keys()
        whole = (None, None, "round", None)
        keys = {whole} if whole in common else common
        if not keys:
            continue
        sums = {name: _sums(own[name][key] for key in keys) for name in pair}
        slow, fast = sorted(pair, key=lambda name: -sums[name][0])
        both = [one for name in pair for key in keys for one in own[name][key]]
        kind: Kind = "fitted" if all(one.kind == "fitted" for one in both) else "predicted"
        measured, ours = (a / b for a, b in zip(sums[slow], sums[fast], strict=True))
        source = "; ".join(dict.fromkeys(one.source for one in both))
        lines.append(Line(f"{slow} / {fast}", "x", measured, kind, ours, source))
    return lines


def _times_by_method(
    compared: Sequence[Compared],
) -> dict[str, dict[tuple[object, ...], list[Line]]]:
    """Return the times of rounds and iterations by method and by what they are of."""
    own: dict[str, dict[tuple[object, ...], list[Line]]] = {}
    for one in compared:
        row = one.row
        if one.line.unit == "s" and row.what in _SPEEDUPS_FROM:
            key = (row.round, row.round_type, row.what, row.client)
            own.setdefault(row.method, {}).setdefault(key, []).append(one.line)
    return own


def not_fitted(lines: Iterable[Line]) -> list[Line]:
    """Return the lines that say something about the scenario's predictions."""
    return [line for line in lines if line.kind != "fitted"]


def _sums(groups: Iterable[list[Line]]) -> tuple[float, float]:
    """Return the sums of the measured and of the predicted figures; repeats of a row count as one."""
    pairs = [
        (
            fmean(line.published or 0.0 for line in lines),
            fmean(line.simulated or 0.0 for line in lines),
        )
        for lines in groups
    ]
    return sum(first for first, _ in pairs), sum(second for _, second in pairs)


def _of_speedups(pairs: Sequence[Line]) -> str:
    """Return the end of a sentence: the mean error of the speedups that were not fitted."""
    errors = absolute_errors(not_fitted(pairs))
    if not errors:
        return "."
    if len(errors) == 1:
        return f", and their speedup is off by {_percent(errors[0])}."
    return f", and their speedups are off by {_percent(fmean(errors))} on average."


def level_text(share: float | None) -> str:
    """Return the share of an interval in percent; nothing without one."""
    return "" if share is None else f"{100 * share:g} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

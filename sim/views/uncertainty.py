"""How sure a run's times are: intervals over draws, undecided pairs, what moves an answer, in words."""

from collections.abc import Mapping
from typing import Any, Final

from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.uncertainty.statistics import (
    Array,
    Interval,
    Moves,
    columns_of,
    interval_of,
    is_undecided,
    most_open,
    undecided_pairs,
)
from cutlayer.sim.views.charts import Chart, Part, Series, Table, Words
from cutlayer.sim.views.quantities import TIMES, Unit, brackets, common_unit, quantity, significant

MOST_FACTORS: Final = 12  # in a chart
FORM: Final = "form"  # in the name of the factor of what a device's form leaves open
SLIGHT: Final = 0.005  # of the variance; a chart leaves out factors that explain less
ADVICE: Final = (
    "This run has no intervals: `cutlayer run SCENARIO --draws 200` times it at 200 draws of the figures"
    " that are not known exactly."
)
FIGURES: Final = {
    "round_time_s": "Round time",
    "virtual_time_s": "Total virtual time",
    "target_s": "Time to target",
}


def times_of(run: SavedRun) -> dict[str, dict[str, Array]]:
    """Return the columns of draws.csv by label; none if the run has no draws."""
    if run.uncertainty is None:
        return {}
    return columns_of(run.table("draws"))


def intervals_of(run: SavedRun, figure: str) -> dict[str, Interval]:
    """Return the interval of a figure (a key of `FIGURES`) by label, where it is known."""
    methods = (run.uncertainty or {}).get("methods", {})
    return {
        label: (found[0], found[1], found[2])
        for label, figures in methods.items()
        if (found := figures.get(figure)) is not None
    }


def speedups_of(run: SavedRun, base: str) -> dict[str, Interval]:
    """Return the interval of each method's speedup over `base`: the ratios of the same draws."""
    times = times_of(run)
    if base not in times:
        return {}
    assert run.uncertainty is not None
    ratios = {
        label: interval_of(
            times[base]["round_time_s"] / own["round_time_s"], run.uncertainty["interval"]
        )
        for label, own in times.items()
        if label != base
    }
    return {label: found for label, found in ratios.items() if found is not None}


def bracketed(interval: Interval, factor: float = 1.0) -> str:
    """Return the ends of an interval in units of `factor`, such as "[1.20, 1.45]"."""
    return brackets(interval[0] / factor, interval[2] / factor)


def drawn_target(run: SavedRun, label: str, target: str) -> str:
    """Return the interval of the time to the target that was drawn, as text; "" for other targets."""
    interval = intervals_of(run, "target_s").get(label)
    if (
        interval is None
        or run.uncertainty is None
        or run.uncertainty.get("target") != float(target)
    ):
        return ""
    low, _, high = interval
    return f" [{quantity(low, TIMES)}, {quantity(high, TIMES)}]"


def interval_note(run: SavedRun) -> str:
    """Return what the brackets of a table or the error bars of a chart are; "" without draws."""
    known = run.uncertainty
    if known is None:
        return ""
    return (
        f" Brackets and error bars: {known['interval']:.0%} intervals over {known['draws']} draws of the"
        " figures that are not known exactly."
    )


def pair_sentences(run: SavedRun) -> list[str]:
    """Return which pairs of methods are undecided; none without draws or with one method."""
    known = run.uncertainty
    if known is None or len(known["faster"]) < 2:
        return []
    pairs = undecided_pairs(known["faster"])
    if not pairs:
        return [
            f"No pair is undecided: in over 95 % of {known['draws']} draws one method is faster."
        ]
    return [
        f"Undecided: {first} is faster than {second} in {share:.0%} of {known['draws']} draws."
        for first, second, share in pairs
    ]


def notes_of(run: SavedRun) -> list[str]:
    """Return what a reader of the intervals should know, such as that Ctrl-C ended the draws."""
    return [str(note) for note in (run.uncertainty or {}).get("notes", ())]


def measure_next(run: SavedRun) -> list[str]:
    """Return what to measure next, and why: sentences; none if nothing was drawn or nothing varies."""
    found = _moves(run)
    answer = most_open(times_of(run))
    if answer is None or answer not in found:
        return []
    moved = found[answer]
    sources = moved.by_source()
    source = next(iter(sources))
    if sources[source] < SLIGHT:
        return []
    factor = next(f for f in moved.shares if f.startswith(f"{source}: ") or f == source)
    share = f"{moved.shares[factor]:.0%} of what is open in {_said(answer)}"
    lines = [f"Measure {_named(factor)} ({share})."]
    all_in_all = ", ".join(
        f"{name} {share:.0%}" for name, share in sources.items() if share >= 0.05
    )
    lines.append(f"All figures of a device or link together: {all_in_all}.")
    if source.startswith(("link ", "medium ")):
        lines.append("A rate or delay that is written as a number in the scenario is not drawn.")
    else:
        lines.append(f"`cutlayer fit` takes a few timed iterations on the {source}.")
    return lines


def uncertainty_parts(run: SavedRun) -> list[Part]:
    """Return intervals, pairs and what moves the answers, for a report; one line without draws."""
    if run.uncertainty is None:
        return [Words("draws", "How sure the times are", [ADVICE])]
    parts: list[Part] = []
    if lines := [*measure_next(run), *pair_sentences(run), *notes_of(run)]:
        parts.append(Words("measure-next", "What to measure next", lines))
    parts.append(_intervals(run))
    if len(run.uncertainty["faster"]) > 1:
        parts.append(_pairs(run))
    if charts := moves_charts(run):
        parts.append(charts)
    return parts


def _intervals(run: SavedRun) -> Table:
    known = run.uncertainty
    assert known is not None
    figures = {f: found for f in FIGURES if (found := intervals_of(run, f))}
    units = {f: common_unit([i[1] for i in found.values()], TIMES) for f, found in figures.items()}
    rows = [
        [label, *(_interval(found.get(label), units[f]) for f, found in figures.items())]
        for label in known["methods"]
    ]
    note = (
        f"The median of {known['draws']} draws, with the ends of the {known['interval']:.0%} interval."
        " The spreads of figures that were not measured are a judgement."
    )
    return Table("intervals", "Intervals", ["Method", *(FIGURES[f] for f in figures)], rows, note)


def _interval(interval: Interval | None, unit: Unit) -> str:
    if interval is None:
        return "-"
    name, factor = unit
    return f"{significant(interval[1] / factor)} {bracketed(interval, factor)} {name}"


def _pairs(run: SavedRun) -> Table:
    assert run.uncertainty is not None
    faster = run.uncertainty["faster"]
    rows = [
        [label, *("-" if label == other else _share(shares[other]) for other in faster)]
        for label, shares in faster.items()
    ]
    note = (
        "The share of draws in which the method of the row is faster than that of the column. A pair is"
        " undecided if neither is faster in more than 95 %."
    )
    columns = ["Method", *(f"faster than {other}" for other in faster)]
    return Table("pairs", "Which method is faster", columns, rows, note)


def _share(share: float) -> str:
    return f"{share:.0%} (undecided)" if is_undecided(share) else f"{share:.0%}"


def _moves(run: SavedRun) -> dict[str, Moves]:
    """Return `moves` of summary.json by answer."""
    assert run.uncertainty is not None
    shares: dict[str, dict[str, float]] = {}
    for entry in run.uncertainty["moves"]:
        shares.setdefault(str(entry["of"]), {})[str(entry["factor"])] = float(entry["share"])
    explained: Mapping[str, Any] = run.uncertainty.get("explained", {})
    return {
        answer: Moves(
            dict(sorted(known.items(), key=lambda item: -item[1])),
            float(explained.get(answer, sum(known.values()))),
        )
        for answer, known in shares.items()
    }


def _said(answer: str) -> str:
    """Return an answer as a reader sees it: "splitfed / ecofed" or "the round time of ecofed"."""
    _, colon, ratio = answer.partition("_s: ")
    return ratio if colon else f"the round time of {answer}"


def moves_charts(run: SavedRun) -> tuple[Chart, ...]:
    """Return how much each factor moves each ratio and each round time; the most open answer first."""
    found = _moves(run)
    times = times_of(run)
    first = most_open(times)
    order = sorted(found, key=lambda answer: (answer != first, answer in times))
    return tuple(_moves_chart(answer, found[answer]) for answer in order)


def _moves_chart(answer: str, moved: Moves) -> Chart:
    large = [(name, share) for name, share in moved.shares.items() if share >= SLIGHT]
    shown = [(_named(name), share) for name, share in large[:MOST_FACTORS]]
    names, lengths = [name for name, _ in shown], [100 * share for _, share in shown]
    totals = {name: f"{share:.0%}" for name, share in shown}
    rest = moved.explained - sum(share for _, share in shown)
    note = (
        "The share of the variance of the answer's logarithm that a figure's spread explains,"
        f" by regression on the draws (R^2 {moved.explained:.2f})."
    )
    if rest >= SLIGHT:
        note += f" Figures that are not shown explain {rest:.0%}."
    return Chart(
        "moves",
        "What moves the answer",
        "stack",
        [
            Series(
                "", lengths, names, 0, [0.0] * len(names), [_hover(*one, answer) for one in shown]
            )
        ],
        "share (%)",
        totals=totals,
        choice=_said(answer),
        note=note,
    )


def _named(factor: str) -> str:
    """Return a factor in words: that of a device's form is a factor on all its times."""
    device, colon, figure = factor.rpartition(": ")
    return f"{device}: all its times" if colon and figure == FORM else factor


def _hover(factor: str, share: float, answer: str) -> str:
    return f"{factor}\n{share:.1%} of what is open in {_said(answer)}"

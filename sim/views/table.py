"""The result table on the terminal: time, traffic and accuracy of each method, and its speedups."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.estimate import Estimate, as_runs, by_label, estimate, scenario_name
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.metrics import final_of, times_to_targets
from cutlayer.sim.tasks.metric import ACCURACY, Metric
from cutlayer.sim.views.accuracy import goal
from cutlayer.sim.views.columns import Column, print_columns, print_text
from cutlayer.sim.views.critical_path import windows_note
from cutlayer.sim.views.links_table import print_links
from cutlayer.sim.views.quantities import BYTES, MEGABYTES, TIMES, Unit, common_unit, spread

MOST_STALLED = 10  # lines, one for each method and seed
COMPARISONS = {
    "time_x": "Speedup over each method (ratio of round times)",
    "bytes_x": "Traffic reduction against each method (ratio of bytes per round)",
}


def print_table(result: RunResult | Sequence[RunResult], console: Console) -> None:
    """Print the results of a run, or of several seeds of one scenario, with speedups.

    Several seeds give means with 95 % t-intervals.
    """
    runs = as_runs(result)
    methods = by_label(runs)
    print_text(console, scenario_name(runs), "bold")
    if any(run.status == "stopped" for run in runs):
        print_text(console, "The run was stopped before its end: these are the rounds it closed.")
    for line in _stalled(runs):
        print_text(console, line)
    if not methods:
        print_text(console, "No round was closed: there is nothing to compare.")
        return
    marked = _marked(methods)
    names = Column("method", [f"{label}{' *' * (label in marked)}" for label in methods])
    sign = "±" if console.encoding.startswith("utf") else "+/-"
    print_columns(console, names, _columns(methods, sign))
    if len(methods) > 1:
        for what, title in COMPARISONS.items():
            console.print()
            print_columns(console, names, _comparison(runs, list(methods), what, sign), title)
    print_links(methods, names.cells, console, sign)
    console.print()
    for line in _footnotes(runs, methods, marked):
        print_text(console, line, "dim")


def _stalled(runs: Sequence[RunResult]) -> list[str]:
    """Return which methods stalled, and why."""
    lines = [
        f"{label} stalled (seed {run.seed}) after {len(method.rounds)} rounds: {method.ended}."
        for run in runs
        for label, method in run.methods.items()
        if method.stalled
    ]
    return lines[:MOST_STALLED] + (["..."] if len(lines) > MOST_STALLED else [])


def _marked(methods: dict[str, list[MethodResult]]) -> set[str]:
    """Return the methods whose times rest on guessed figures; none if all do."""
    coarse = {label for label, seeds in methods.items() if any(r.coarse for r in seeds)}
    return coarse if len(coarse) < len(methods) else set()


def _columns(methods: dict[str, list[MethodResult]], sign: str) -> list[Column]:
    """Return the columns of figures that compare no methods."""
    summaries = {
        label: [result.summary({}) for result in results] for label, results in methods.items()
    }

    def over(read: Callable[[Mapping[str, Any]], float | None]) -> list[Estimate | None]:
        return [estimate(read(summary) for summary in seeds) for seeds in summaries.values()]

    def column(
        heading: str, values: list[Estimate | None], unit: Unit, missing: str = "-", digits: int = 3
    ) -> Column:
        name, factor = unit
        cells = [spread(v, factor, digits, sign) if v is not None else missing for v in values]
        return Column(heading.format(name), cells)

    def timed(heading: str, values: list[Estimate | None], missing: str = "-") -> Column:
        return column(heading, values, _unit(values, TIMES), missing)

    total = over(lambda s: s["wire_bytes"]["up"] + s["wire_bytes"]["down"])
    makespan = over(lambda s: s["round_time_s"]["mean"])
    additive = over(lambda s: s["additive_round_time_s"])
    per_round = _unit([*makespan, *additive], TIMES)
    percent = ("%", 0.01)
    trained = any(result.curve for results in methods.values() for result in results)
    targets = dict.fromkeys(t for results in methods.values() for t in results[0].targets)
    metric = _metric(methods)
    accuracies = [
        column(
            f"final {metric.title} ({{}})" if metric.is_share else f"final {metric.title}",
            over(final_of),
            percent if metric.is_share else ("", 1.0),
            "not trained",
        ),
        *(
            timed(
                f"time to {goal(metric, target)} ({{}})",
                over(partial(_time_to, str(target))),
                "not reached",
            )
            for target in targets
        ),
    ]
    return [
        timed("virtual time ({})", over(lambda s: s["virtual_time_s"])),
        column("round time ({})", makespan, per_round),
        column("additive round time ({})", additive, per_round),
        column(
            "traffic per client and round ({})",
            over(lambda s: s["wire_bytes"]["per_client_round"]),
            MEGABYTES,
            digits=4,
        ),
        *(accuracies if trained else ()),
        *(
            (column("traffic per token (B)", over(_per_token), ("", 1.0), digits=4),)
            if any("tokens" in seeds[0] for seeds in summaries.values())
            else ()
        ),
        *(
            (
                column("mean staleness", over(lambda s: _stale(s, "mean")), ("", 1.0)),
                column("largest staleness", over(lambda s: _stale(s, "max")), ("", 1.0)),
                column(
                    "versions per hour",
                    over(lambda s: s["updates"]["versions_per_hour"] if "updates" in s else None),
                    ("", 1.0),
                ),
            )
            if any("updates" in seeds[0] for seeds in summaries.values())
            else ()
        ),
        column("rounds", over(lambda s: s["rounds"]), ("", 1.0), digits=1),
        column("total traffic ({})", total, _unit(total, BYTES)),
        column("device idle share ({})", over(lambda s: s["idle_fraction"]["clients"]), percent),
        column("server idle share ({})", over(lambda s: s["idle_fraction"]["server"]), percent),
    ]


def _metric(methods: dict[str, list[MethodResult]]) -> Metric:
    return next((results[0].metric for results in methods.values() if results), ACCURACY)


def _stale(summary: Mapping[str, Any], key: str) -> float | None:
    staleness: float | None = summary["updates"]["staleness"][key] if "updates" in summary else None
    return staleness


def _per_token(summary: Mapping[str, Any]) -> float | None:
    each: float | None = summary.get("tokens", {}).get("wire_bytes_each")
    return each


def _time_to(target: str, summary: Mapping[str, Any]) -> float | None:
    return times_to_targets(summary).get(target)


def _unit(values: Sequence[Estimate | None], units: tuple[Unit, ...]) -> Unit:
    return common_unit((value.mean for value in values if value is not None), units)


def _comparison(runs: Sequence[RunResult], labels: list[str], what: str, sign: str) -> list[Column]:
    """Return one column per method: the ratio of its figure to each row's, averaged over seeds."""
    columns = []
    for other in labels:
        cells = []
        for label in labels:
            if label == other:
                cells.append(plain("-"))
                continue
            ratio = estimate(
                run.methods[label].against(run.methods[other])[what]
                for run in runs
                if label in run.methods and other in run.methods
            )
            better = ratio is not None and ratio.mean > 1
            cells.append(
                plain(spread(ratio, sign=sign) if ratio else "-", "green" if better else "")
            )
        columns.append(Column(other, cells))
    return columns


def _footnotes(
    runs: Sequence[RunResult], methods: dict[str, list[MethodResult]], marked: set[str]
) -> list[str]:
    """Return where the figures come from, and which of them rest on guesses."""
    metric = _metric(methods)
    trained = any(
        result.weights_digest is not None for results in methods.values() for result in results
    )
    lines = [
        "Times, bytes and idle shares are simulated: a virtual clock, computed costs. "
        + (
            f"{metric.heading} is that of really trained models."
            if trained
            else "Nothing was trained."
        )
    ]
    lines.append(
        "The round time is the makespan of a round; the additive round time is the mean over clients "
        "of their computing and transfers, without waiting. Traffic is in wire bytes, both directions; "
        "1 MB = 10^6 B."
    )
    windows = [label for label, results in methods.items() if results[0].noun == WINDOW]
    if windows:
        lines.append(f"{windows_note(windows)} A window counts as a round.")
        if len(methods) > 1:
            lines.append(
                "Ratios with such a method compare the time and bytes of an update (a client's round),"
                " as windows differ in size."
            )
    if len(runs) > 1:
        lines.append(
            f"Means over {len(runs)} seeds with 95 % t-intervals; none if all seeds agree."
        )
    cure = "A lower training.optimizer.lr"
    task = runs[0].scenario.get("task")
    regression = task.get("regression") if isinstance(task, dict) else None
    if regression is not None and not regression.get("standardise"):
        cure += ", or task.regression.standardise: true,"
    for label, results in methods.items():
        ended = [(r.seed, r.ended) for r in results if r.ended is not None and not r.stalled]
        if ended:
            seed, why = ended[0]
            lines.append(f"{label} ended early (seed {seed}): {why}.")
        rounds = [r.diverged_in_round for r in results if r.diverged_in_round is not None]
        if rounds:
            lines.append(
                f"{label} diverged: its weights were no longer finite in round {min(rounds) + 1}, so "
                f"its {metric.title} is meaningless. {cure} may help."
            )
    lines += [
        f"{label}: NOT PHYSICAL TIMES, but {results[0].pricing}."
        for label, results in methods.items()
        if results[0].pricing is not None
    ]
    coarse: dict[tuple[str, ...], list[str]] = {}
    for label, results in methods.items():
        figures = tuple(dict.fromkeys(figure for result in results for figure in result.coarse))
        if figures:
            coarse.setdefault(figures, []).append(label)
    for figures, labels in coarse.items():
        mark, who = ("* ", f" of {', '.join(labels)}") if marked else ("", "")
        lines.append(
            f"{mark}The times{who} rest on coarse or guessed figures: {'; '.join(figures)}."
        )
    return lines

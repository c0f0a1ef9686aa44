"""The result table on the terminal: what each method took, and how it compares with every other.

A plain terminal of 80 columns is enough: columns that do not fit go to a further table below.
"""

from collections.abc import Callable, Sequence
from functools import partial
from string import ascii_uppercase
from typing import Any

from rich.console import Console

from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.results.estimate import Estimate, as_runs, by_label, estimate, scenario_name
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.views.columns import Column, print_columns
from cutlayer.sim.views.links_table import print_links
from cutlayer.sim.views.quantities import BYTES, MEGABYTES, TIMES, Unit, common_unit, spread

COARSE_MARK = "*"
MOST_STALLED = 10  # lines on methods, one for each seed
NOT_TRAINED = "not trained"
COMPARISONS = {
    "time_x": "Speedup: how many times faster per round the row's method is than the column's",
    "bytes_x": "Traffic: how many times fewer bytes per round the row sends than the column",
}


def print_table(result: RunResult | Sequence[RunResult], console: Console) -> None:
    """Print the methods of a run, or of several seeds of one scenario, and their speedups.

    Several seeds give means with 95 % t-intervals.
    """
    runs = as_runs(result)
    methods = by_label(runs)
    _print(console, scenario_name(runs), "bold")
    if any(run.status == "stopped" for run in runs):
        _print(console, "The run was stopped before its end: these are the rounds it closed.")
    for line in _stalled(runs):
        _print(console, line)
    if not methods:
        _print(console, "No round was closed: there is nothing to compare.")
        return
    names = _names(methods)
    sign = "±" if _wide_characters(console) else "+/-"
    print_columns(console, names, _columns(methods, sign))
    if len(methods) > 1:
        for what, sentence in COMPARISONS.items():
            console.print()
            _print(console, sentence, "bold")
            print_columns(console, names, _comparison(runs, list(methods), what, sign))
    print_links(methods, names.cells, console, sign)
    console.print()
    for line in _footnotes(runs, methods):
        _print(console, line, "dim")


def _stalled(runs: Sequence[RunResult]) -> list[str]:
    """Say which methods came to a round that can never end, and why."""
    lines = [
        f"{label} stalled (seed {run.seed}) after {len(method.rounds)} rounds: {method.ended}."
        for run in runs
        for label, method in run.methods.items()
        if method.stalled
    ]
    return lines[:MOST_STALLED] + (["..."] if len(lines) > MOST_STALLED else [])


def _print(console: Console, line: str, style: str = "") -> None:
    console.print(plain(line, style, console.encoding), soft_wrap=False)


def _wide_characters(console: Console) -> bool:
    return console.encoding.startswith("utf")


def _letter(position: int) -> str:
    return ascii_uppercase[position] if position < len(ascii_uppercase) else f"#{position + 1}"


def _names(methods: dict[str, list[MethodResult]]) -> Column:
    """Return the methods' labels, each with the letter that stands for it in comparisons."""
    cells = []
    for position, (label, results) in enumerate(methods.items()):
        letter = f"{_letter(position)} " if len(methods) > 1 else ""
        mark = f" {COARSE_MARK}" if any(result.coarse for result in results) else ""
        cells.append(f"{letter}{label}{mark}")
    return Column("method", cells)


def _columns(methods: dict[str, list[MethodResult]], sign: str) -> list[Column]:
    """Return everything that is told of a method by itself."""
    summaries = {
        label: [result.summary({}) for result in results] for label, results in methods.items()
    }

    def over(read: Callable[[dict[str, Any]], float | None]) -> list[Estimate | None]:
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
    return [
        timed("virtual\ntime ({})", over(lambda s: s["virtual_time_s"])),
        column("time per\nround ({})", makespan, per_round),
        column("additive\nper round\n({})", additive, per_round),
        column(
            "sent per\nclient and\nround ({})",
            over(lambda s: s["wire_bytes"]["per_client_round"]),
            MEGABYTES,
            digits=4,
        ),
        column(
            "final\naccuracy\n({})",
            over(lambda s: s["accuracy"]["final"] if s["accuracy"] else None),
            percent,
            NOT_TRAINED,
        ),
        *(
            timed(
                f"time to\n{100 * target:g} %\n({{}})",
                over(partial(_time_to, str(target))),
                "not reached" if trained else "not trained",
            )
            for target in targets
        ),
        column("rounds", over(lambda s: s["rounds"]), ("", 1.0), digits=1),
        column("sent\nin all\n({})", total, _unit(total, BYTES)),
        column(
            "devices\nnot com-\nputing\n({})",
            over(lambda s: s["idle_fraction"]["clients"]),
            percent,
        ),
        column(
            "server\nnot com-\nputing\n({})", over(lambda s: s["idle_fraction"]["server"]), percent
        ),
    ]


def _time_to(target: str, summary: dict[str, Any]) -> float | None:
    seconds: float | None = summary["time_to_accuracy_s"].get(target)
    return seconds


def _unit(values: Sequence[Estimate | None], units: tuple[Unit, ...]) -> Unit:
    return common_unit((value.mean for value in values if value is not None), units)


def _comparison(runs: Sequence[RunResult], labels: list[str], what: str, sign: str) -> list[Column]:
    """Return one column per method: how each row compares with it, a ratio per seed averaged."""
    columns = []
    for position, other in enumerate(labels):
        cells = []
        for label in labels:
            if label == other:
                cells.append(plain("."))
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
        columns.append(Column(_letter(position), cells))
    return columns


def _footnotes(runs: Sequence[RunResult], methods: dict[str, list[MethodResult]]) -> list[str]:
    """Say where the numbers come from, and which costs are coarse."""
    trained = any(
        result.weights_digest is not None for results in methods.values() for result in results
    )
    lines = [
        "Times, bytes and idle shares are simulated: a virtual clock, computed costs. "
        + ("Accuracy is that of models really trained." if trained else "Nothing was trained.")
    ]
    lines.append(
        "Time per round is what a stopwatch shows; additive is the mean over clients of their "
        "computing and transfers, without waiting. Bytes are wire bytes, both directions; "
        "1 MB = 10^6 B."
    )
    if len(runs) > 1:
        lines.append(f"Means over {len(runs)} seeds with 95 % t-intervals; none where they agree.")
    for label, results in methods.items():
        ended = [(r.seed, r.ended) for r in results if r.ended is not None and not r.stalled]
        if ended:
            seed, why = ended[0]
            lines.append(f"{label} ended before its rounds were played (seed {seed}): {why}.")
        rounds = [r.diverged_in_round for r in results if r.diverged_in_round is not None]
        if rounds:
            lines.append(
                f"{label} diverged: in round {min(rounds) + 1} its weights were no longer finite, and "
                "its accuracy means nothing. A lower training.optimizer.lr may help."
            )
    coarse: dict[tuple[str, ...], list[str]] = {}
    for label, results in methods.items():
        figures = tuple(dict.fromkeys(figure for result in results for figure in result.coarse))
        if figures:
            coarse.setdefault(figures, []).append(label)
    for figures, labels in coarse.items():
        who = "" if len(labels) == len(methods) else f" of {', '.join(labels)}"
        lines.append(
            f"{COARSE_MARK} The times{who} rest on coarse or guessed figures: {'; '.join(figures)}."
        )
    return lines

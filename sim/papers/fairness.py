"""Every method of the collection on one scenario: time, bytes, accuracy, energy and memory.

Unlike the other tables, this one has no published figures, and trains.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.memory import memory_by_device, server_memory
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.papers.grid import Grid
from cutlayer.sim.results.estimate import by_label, estimate
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.run.progress import Progress
from cutlayer.sim.run.run import load_scenario, run
from cutlayer.sim.views.quantities import MEGABYTES, significant, spread

SCENARIO: Final = "collection"
PERCENT: Final = 0.01
COLUMNS: Final = (  # categories and directions with columns of their own; the others share one
    ("weights", UP),
    ("weights", DOWN),
    ("activations", UP),
    ("gradients", DOWN),
)


def grid(progress: Progress, executor: str = "processes") -> Grid:
    """Train every method with every seed, and return the table. Trains with an `executor`."""
    loaded = load_scenario(SCENARIO)
    (plan, *_) = plan_checked(loaded, trains=True)
    return grid_of(plan, run(loaded, executor=executor, progress=progress))


def grid_of(plan: Plan, results: Sequence[RunResult]) -> Grid:
    """Return the table of a run, of which `plan` is that of one seed."""
    columns: dict[str, Callable[[Sequence[MethodResult]], str]] = {
        "virtual time (s)": lambda seeds: _mean(seeds, lambda r: r.virtual_time_s),
        "time per client's round (s)": lambda seeds: _mean(
            seeds, lambda r: r.virtual_time_s / r.client_rounds
        ),
        "accuracy (%)": lambda seeds: _mean(seeds, lambda r: r.final_accuracy, PERCENT),
        **{f"{what} {direction} (MB)": _megabytes(what, direction) for what, direction in COLUMNS},
        "other bytes (MB)": _others,
        "energy (J)": lambda seeds: _mean(seeds, lambda r: r.energy_j),
    }
    entries = {entry.label: options_of(entry) for entry in plan.scenario.methods}
    rows = []
    for label, seeds in by_label(results).items():
        method, options = entries[label]
        device = max(memory_by_device(plan, method).values()) / MEGABYTES[1]
        server = server_memory(plan, method, options) / MEGABYTES[1]
        cells = [column(seeds) for column in columns.values()]
        rows.append((label, *cells, significant(device), significant(server)))
    seeds_text = ", ".join(str(result.seed) for result in results)
    headings = ("method", *columns, "memory of a device (MB)", "memory of the server (MB)")
    return Grid(
        "fairness",
        f"Every method on the scenario {SCENARIO}, seeds {seeds_text}",
        headings,
        tuple(rows),
        (
            "Accuracies are trained, bytes follow from shapes, times, energy and memory are predicted."
            " Intervals are 95 % t-intervals over the seeds.",
            "Bytes are wire bytes per client and round (or update), framing included. A round of an"
            " asynchronous method is a window of as many updates as a round has clients.",
            "All methods have the learning rate, batch size and number of local epochs of the scenario,"
            " and their own options at the defaults. None was tuned.",
        ),
    )


def _mean(
    seeds: Sequence[MethodResult], read: Callable[[MethodResult], float | None], factor: float = 1
) -> str:
    found = estimate(read(result) for result in seeds)
    return "-" if found is None else spread(found, factor)


def _moved(result: MethodResult, sent: Iterable[tuple[str, str]]) -> float:
    """Return the wire bytes per client and round of some categories and directions."""
    traffic = result.traffic()
    total = sum(traffic[direction][category]["wire_bytes"] for category, direction in sent)
    return total / result.client_rounds


def _megabytes(category: str, direction: str) -> Callable[[Sequence[MethodResult]], str]:
    sent = ((category, direction),)
    return lambda seeds: _mean(seeds, lambda r: _moved(r, sent), MEGABYTES[1])


def _others(seeds: Sequence[MethodResult]) -> str:
    every = [(category, direction) for category in CATEGORIES for direction in (UP, DOWN)]
    others = [one for one in every if one not in COLUMNS]
    return _mean(seeds, lambda r: _moved(r, others), MEGABYTES[1])

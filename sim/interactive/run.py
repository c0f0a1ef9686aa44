"""`cutlayer.run`: run a scenario from a script or notebook, with progress."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from cutlayer.errors import UserError
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.interactive.progress import STOPPED, shown_progress
from cutlayer.sim.interactive.scenario import load_scenario
from cutlayer.sim.loggers.logger import MakeLogger
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.run.progress import Progress
from cutlayer.sim.run.run import run as run_silently
from cutlayer.sim.run.seed_run import LogName


def run(
    scenario: Loaded | str | Path,
    *,
    executor: str = "inline",
    jobs: int | None = None,
    threads: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    out: str | Path | None = None,
    log: LogName = "rounds",
    reuse: bool = True,
    data_dir: str | Path | None = None,
    progress: Progress | bool = True,
    loggers: Sequence[MakeLogger] = (),
    save_model: bool = False,
    confusion: bool = False,
) -> list[RunResult]:
    """Run every method of a scenario for each of its seeds; return one result per seed.

    `scenario` is a `Scenario`, the path of a file, or the name of a shipped scenario.

    `executor` is a name of `cutlayer.sim.learning.executors`: "inline" trains in this process,
    "processes" in `jobs` worker processes (default: one per core),
    "stacked" in this process with up to `jobs` clients of equal shape side by side (default: 32), and
    "none" simulates time and bytes only, without tensors and data. `scheduler` is the address of a
    cluster, `device` one of torch. Each process trains with `threads` torch threads; the number of this
    process is restored afterwards. All methods and seeds share the workers; the results do not depend on
    them. Workers do not import the script or notebook that calls `run`: what it defines must be in a
    module for "processes" and "dask".

    `progress` is shown on a terminal and in a notebook, unless it is False; it may also be an object
    that receives it.

    `out` is a new or empty folder. Results are written there as rounds close, in seed-N/ if there are
    several seeds. `log="events"` keeps the intervals of all rounds. `reuse=False` simulates rounds that
    take equal times again and again.

    The `uncertainty` of the scenario is not used here: `cutlayer.add_draws` adds draws to the results.

    `loggers` are classes of loggers, see `cutlayer.Logger`: each is called once for every seed, and its
    object receives the figures of that seed's rounds as they close.

    With `save_model`, the folder `models` gets the final and the best model of each method, which
    `cutlayer.load_model` loads.

    With `confusion`, the results have the confusion of classes in the last evaluation of each method.

    Ctrl-C, or a notebook's interrupt, closes the rounds at hand and ends the run with the results so far
    and the status "stopped"; a second one ends it at once. Raises ScenarioError or DataError before
    anything is written, and OutputError if results cannot be written.
    """
    if not isinstance(scenario, Loaded | str | Path):
        got = type(scenario).__name__
        hint = ": write Scenario(**sections)" if isinstance(scenario, dict) else ""
        raise UserError(
            f"scenario: must be a Scenario, or the path or name of one (got {got}){hint}"
        )
    if log not in get_args(LogName):
        raise UserError(f"log: must be {' or '.join(get_args(LogName))} (got {log!r})")
    if threads < 1:
        raise UserError(f"threads: must be at least 1 (got {threads})")
    if not isinstance(progress, Progress | bool):
        raise UserError(f"progress: must be True, False or a Progress (got {progress!r})")
    for logger in loggers:
        if not callable(logger):
            raise UserError(f"loggers: must be classes of loggers (got {logger!r})")
    loaded = scenario if isinstance(scenario, Loaded) else load_scenario(scenario)
    with shown_progress(progress) as shown:
        results = run_silently(
            loaded,
            executor=executor,
            jobs=jobs,
            threads=threads,
            scheduler=scheduler,
            device=device,
            out=Path(out) if isinstance(out, str) else out,
            log=log,
            reuse=reuse,
            data_dir=None if data_dir is None else Path(data_dir),
            progress=shown,
            loggers=loggers,
            save_model=save_model,
            confusion=confusion,
        )
        if any(result.status == "stopped" for result in results):
            shown.note(STOPPED)
    return results

"""`cutlayer run`: run a scenario, print the results, write trace and plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.initial import conversions
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.commands.console import make_console, warn
from cutlayer.sim.commands.progress import PhaseProgress, RunProgress
from cutlayer.sim.commands.resume_file import content_of
from cutlayer.sim.files.atomic import errors_named
from cutlayer.sim.learning.executors import begin, executor_entry
from cutlayer.sim.loggers.logger import loggers_named
from cutlayer.sim.process.interrupts import INTERRUPTED
from cutlayer.sim.results.folder import ResultFolder, claim_folder, claim_next
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.read import read, read_run
from cutlayer.sim.results.write import write_seeds
from cutlayer.sim.run.resumable import Resumable, remove_checkpoints
from cutlayer.sim.run.run import folder_kind, load_scenario, run
from cutlayer.sim.run.seed_run import LogName
from cutlayer.sim.uncertainty.factors import is_uncertain
from cutlayer.sim.uncertainty.run import add_draws
from cutlayer.sim.views import print_table, write_plots, write_trace
from cutlayer.sim.views.columns import print_text
from cutlayer.sim.views.intervals import HOW_TO_GET, print_intervals
from cutlayer.sim.views.trace import leaves_out
from cutlayer.sim.views.traffic_table import print_traffic


@dataclass(frozen=True)
class Resumed:
    """A run that is continued: its scenario, and its folder, which has been claimed."""

    loaded: Loaded
    folder: ResultFolder


# Arguments of `run_command` that belong to the call, not to the run.
_NOT_REPEATED = ("scenario", "overrides", "out", "draws_wanted", "resumed")
STALLED = 3  # the exit code of a run in which a round can never end


def run_command(
    scenario: str,
    overrides: Sequence[str],
    *,
    executor: str,
    out: Path | None = None,
    data_dir: Path | None,
    log: LogName,
    reuse: bool,
    jobs: int | None,
    threads: int,
    scheduler: str | None,
    device: str,
    plots: bool,
    traffic: bool,
    draws_wanted: int | None = None,
    log_to: Sequence[str] = (),
    save_model: bool = False,
    confusion: bool = False,
    checkpoint_every: int = 1,
    resumed: Resumed | None = None,
) -> int:
    """Run a scenario, print and write its results; return the exit code.

    All other arguments are options that `cutlayer resume` repeats for a run that is `resumed`.
    """
    options = {name: value for name, value in locals().items() if name not in _NOT_REPEATED}
    if executor_entry(executor).trains:
        begin(executor, jobs)
        import torch

        torch.set_num_threads(threads)
    console = make_console()
    if draws_wanted is not None:
        overrides = [*overrides, f"uncertainty.draws={draws_wanted}"]
    loaded = resumed.loaded if resumed else load_scenario(scenario, overrides)
    kind, name = folder_kind(loaded), loaded.scenario.name
    with looking_in(beside(loaded.document.source)):
        loggers = loggers_named(log_to)
    pictures = plots

    def trace(result: RunResult, folder: Path) -> Sequence[Path]:
        nonlocal pictures
        try:
            return write_trace_only(result, folder)
        except KeyboardInterrupt:  # a second one: leave the pictures out too
            pictures = False
            raise

    def content() -> dict[str, Any]:
        return content_of("run", loaded.document.source, loaded.resolved(), options)

    if resumed:
        claimed = resumed.folder
    else:
        claimed = claim_folder(out, kind) if out else claim_next(Path("runs"), name, kind)
    with claimed as folder:
        with RunProgress(console) as progress:
            results = run(
                loaded,
                executor=executor,
                jobs=jobs,
                threads=threads,
                scheduler=scheduler,
                device=device,
                out=folder,
                log=log,
                reuse=reuse,
                data_dir=data_dir,
                progress=progress,
                views=trace,
                loggers=loggers,
                save_model=save_model,
                confusion=confusion,
                resumable=Resumable(content, checkpoint_every, warn),
            )
        with PhaseProgress(console) as phases:
            add_draws(loaded, results, jobs=jobs, progress=phases)
        if kind == "seeds":
            write_seeds(results, folder.path / "seeds.json")
        whole = _are_whole(loaded, results)
        if pictures:
            try:
                draw(folder.path)
            except KeyboardInterrupt:
                whole = False
                console.print("interrupted: some pictures are missing", style="bold")
        if whole:
            remove_checkpoints(folder.path)
    print_table(results, console)
    if traffic:
        print_traffic(results, console)
    _print_intervals(loaded, results, console)
    if executor_entry(executor).trains:
        with looking_in(beside(loaded.document.source)):
            notes = conversions(loaded.scenario)
        for line in notes:
            console.say(line)
    statuses = {result.status for result in results}
    if "stopped" in statuses:
        console.print(
            "interrupted: these are the results of the rounds that had closed", style="bold"
        )
    if any(leaves_out(result) for result in results):
        console.say(
            "trace.json omits intervals that end after 292 years of virtual time, and states how many"
        )
    if not whole:
        console.say(f"to continue: cutlayer resume {folder.path}")
    console.say(f"results: {folder.path}")
    for plot in sorted((folder.path / "plots").glob("*.png")):
        console.say(f"plot:    {plot}")
    if not whole:
        return INTERRUPTED
    return STALLED if "stalled" in statuses else 0


def _are_whole(loaded: Loaded, results: Sequence[RunResult]) -> bool:
    """Return whether no seed was stopped and all draws that were wanted are there."""
    first, section = results[0], loaded.scenario.uncertainty
    if any(result.status == "stopped" for result in results):
        return False
    if section is None or not _is_drawn(first):
        return True
    return len({row["draw"] for row in first.draws}) == section.draws


def _is_drawn(result: RunResult) -> bool:
    """Return whether a seed has a method of which draws are made."""
    return any(method.rounds and not method.stalled for method in result.methods.values())


def _print_intervals(loaded: Loaded, results: Sequence[RunResult], console: Console) -> None:
    """Print the intervals, or how to get some."""
    first, section = results[0], loaded.scenario.uncertainty
    if any(result.status == "stopped" for result in results) or not first.methods:
        return
    if section is None:
        if is_uncertain(make_topology(loaded.scenario, first.seed)):
            print_text(console, HOW_TO_GET, "dim")
    elif first.uncertainty:
        assert first.path is not None
        print_intervals(read_run(first.path), console)
    elif _is_drawn(first):
        print_text(console, "The draws were interrupted: there are no intervals.", "bold")


def write_trace_only(result: RunResult, folder: Path) -> Sequence[Path]:
    """Write the trace of a seed; return the file."""
    trace = folder / "trace.json"
    write_trace(result, trace)
    return [trace]


def draw(folder: Path) -> None:
    """Draw the pictures of a run, of one seed or several, from its folder."""
    saved = read(folder)
    assert isinstance(saved, list)
    runs = [run for run in saved if any(m["rounds"] for m in run.methods.values())]
    if runs:
        plots = folder / "plots"
        with errors_named(plots):
            plots.mkdir(exist_ok=True)
        write_plots(runs, plots)

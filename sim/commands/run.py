"""`cutlayer run`: run, then leave table, plots and trace."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.models.own_object import beside, looking_in
from cutlayer.sim.build.initial import conversions
from cutlayer.sim.build.world import ExecutorName
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.commands.progress import RunProgress
from cutlayer.sim.files.atomic import errors_named
from cutlayer.sim.process.interrupts import INTERRUPTED, held_back, let_in
from cutlayer.sim.results.folder import claim_folder, claim_next
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.write import write_seeds
from cutlayer.sim.run.run import LogName, folder_kind, load_scenario, run
from cutlayer.sim.views import print_table, write_plots, write_timeline, write_trace
from cutlayer.sim.views.trace import leaves_out

STALLED = 3  # the exit code of a run in which a round can never end


def run_command(
    scenario: str,
    overrides: Sequence[str],
    *,
    executor: ExecutorName,
    out: Path | None,
    data_dir: Path | None,
    log: LogName,
    reuse: bool,
    threads: int,
    plots: bool,
) -> int:
    """Run a scenario and write everything that is worth looking at; return the exit code."""
    if executor == "inline":
        import torch

        torch.set_num_threads(threads)
    console = make_console()
    loaded = load_scenario(scenario, overrides)
    kind, name = folder_kind(loaded), loaded.scenario.name
    with claim_folder(out, kind) if out else claim_next(Path("runs"), name, kind) as folder:
        with RunProgress(console) as progress:
            results = run(
                loaded,
                executor=executor,
                out=folder,
                log=log,
                reuse=reuse,
                data_dir=data_dir,
                progress=progress,
                views=write_views if plots else write_trace_only,
            )
        if kind == "seeds":
            write_common_views(results, folder.path, plots=plots)
    print_table(results, console)
    if executor == "inline":
        with looking_in(beside(loaded.document.source)):
            notes = conversions(loaded.scenario)
        for line in notes:
            console.say(line)
    statuses = {result.status for result in results}
    if "stopped" in statuses:
        console.print("interrupted: these are the rounds that had closed", style="bold")
    if any(leaves_out(result) for result in results):
        console.say(
            "trace.json leaves out what ends after 292 years of virtual time, and says how much"
        )
    console.say(f"results: {folder.path}")
    for plot in sorted((folder.path / "plots").glob("*.png")):
        console.say(f"plot:    {plot}")
    return INTERRUPTED if "stopped" in statuses else STALLED if "stalled" in statuses else 0


def write_views(result: RunResult, folder: Path) -> Sequence[Path]:
    """Write the trace of a seed, and the pictures where it is the only one; return the files."""
    trace = folder / "trace.json"
    write_trace(result, trace)
    several = len(result.scenario.get("seeds") or ()) > 1
    return [trace] if several else [trace, *_write_pictures([result], folder)]


def write_trace_only(result: RunResult, folder: Path) -> Sequence[Path]:
    """Write the trace of a seed, and no pictures; return the file."""
    trace = folder / "trace.json"
    write_trace(result, trace)
    return [trace]


def write_common_views(results: Sequence[RunResult], folder: Path, *, plots: bool = True) -> None:
    """Write the pictures of several seeds, if asked, and, last, what they have in common."""
    with held_back():
        try:
            with let_in():
                if plots:
                    _write_pictures(results, folder)
        except KeyboardInterrupt:
            results[-1].status = "stopped"
        write_seeds(results, folder / "seeds.json")


def _write_pictures(results: Sequence[RunResult], folder: Path) -> list[Path]:
    if not any(method.rounds for result in results for method in result.methods.values()):
        return []
    plots = folder / "plots"
    with errors_named(plots):
        plots.mkdir(exist_ok=True)
    return [*write_plots(results, plots), *write_timeline(results, plots)]

"""`cutlayer run`: run, then leave table, plots and trace."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from sim.progress import Bars, Lines
from sim.results import RunResult
from sim.run_directory import fresh_folder, write_seeds
from sim.runs import LogName, load_scenario, run
from sim.setup import ExecutorName
from sim.views import print_table, write_plots, write_timeline, write_trace


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
) -> int:
    """Run a scenario and write everything that is worth looking at; return the exit code."""
    torch.set_num_threads(threads)
    console = Console()
    loaded = load_scenario(scenario, overrides)
    folder = fresh_folder(out, loaded.scenario.name)
    reporter = Bars(console) if console.is_terminal else Lines(console)
    with reporter:
        results = run(
            loaded,
            executor=executor,
            out=folder,
            log=log,
            reuse=reuse,
            data_dir=data_dir,
            reporter=reporter,
        )
    write_views(results, folder)
    print_table(results, console)
    stopped = any(result.status == "stopped" for result in results)
    if stopped:
        console.print("interrupted: these are the rounds that had closed", style="bold")
    plots = sorted((folder / "plots").glob("*.png"))
    console.print(f"results: {folder}", soft_wrap=True, highlight=False)
    for plot in plots:
        console.print(f"plot:    {plot}", soft_wrap=True, highlight=False)
    return 130 if stopped else 0


def write_views(results: Sequence[RunResult], folder: Path) -> None:
    """Write the trace and the pictures of a run's seeds, and what the seeds have in common."""
    for result in results:
        assert result.path is not None
        write_trace(result, result.path / "trace.json")
    if len(results) > 1:
        write_seeds(results, folder / "seeds.json")
    if any(method.rounds for result in results for method in result.methods.values()):
        plots = folder / "plots"
        plots.mkdir(exist_ok=True)
        write_plots(results, plots)
        write_timeline(results, plots)

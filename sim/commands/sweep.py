"""`cutlayer sweep`: run a study and write its tables, decisions and report."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cutlayer.errors import UserError
from cutlayer.scenarios.study import LoadedStudy
from cutlayer.sim.commands.console import make_console, warn
from cutlayer.sim.commands.progress import PhaseProgress
from cutlayer.sim.commands.resume_file import content_of
from cutlayer.sim.commands.run import STALLED, draw, write_trace_only
from cutlayer.sim.files.atomic import write_json
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import executor_entry, numerics_of
from cutlayer.sim.process.cores import cores
from cutlayer.sim.process.jobs import Here, Processes, Workers
from cutlayer.sim.process.tasks import Note
from cutlayer.sim.report.report import write_report
from cutlayer.sim.results.read import read_study
from cutlayer.sim.results.write import write_seeds
from cutlayer.sim.run.resumable import remove_checkpoints
from cutlayer.sim.studies.cluster import Cluster
from cutlayer.sim.studies.folder import STUDY, claim_study
from cutlayer.sim.studies.sweep import load_study, sweep, write_full
from cutlayer.sim.views.studies import print_study


def sweep_command(
    name: str,
    *,
    executor: str,
    out: Path | None,
    jobs: int | None,
    scheduler: str | None,
    device: str,
    data_dir: Path | None,
    cache: Path | None,
    full: Sequence[int],
    draws: int | None,
    threads: int,
) -> int:
    """Run or continue a study and print its decisions; return the exit code."""
    options = {name: value for name, value in locals().items() if name not in ("name", "out")}
    if executor_entry(executor).trains:
        import torch

        torch.set_num_threads(threads)
    console = make_console()
    study = load_study(name, draws)
    for point in full:
        if not 0 <= point < len(study.points):
            raise UserError(
                f"--full {point}: {name} has no such point; they are 0 to {len(study.points) - 1}"
            )
    doing = workers(jobs, scheduler, threads, executor, device, console.say)
    with claim_study(out, study.study.name) as folder:
        begun = time.monotonic()
        try:
            with PhaseProgress(console) as progress:
                result = sweep(
                    study,
                    executor=executor,
                    device=device,
                    out=folder,
                    workers=doing,
                    data_dir=data_dir,
                    cache=cache,
                    progress=progress,
                    warn=warn,
                    resume_file=partial(_resume_file, study, options),
                )
                for done, point in enumerate(full):
                    progress("full points", done, len(full), "")
                    target = folder.path / "points" / f"{point:04d}"
                    results = write_full(result, point, target, write_trace_only, device)
                    if len(results) > 1:
                        write_seeds(results, target / "seeds.json")
                    if results:
                        draw(target)
                    progress("full points", done + 1, len(full), "")
            timings = {"seconds": time.monotonic() - begun, "new": dict(result.new)}
            write_json(folder.path / "timings.json", timings)
            write_report([folder.path], folder.path / "report.html")
            remove_checkpoints(folder.path)
        except KeyboardInterrupt:
            if (folder.path / STUDY).exists():
                console.say(
                    f"interrupted; `cutlayer resume {folder.path}` continues from what was finished"
                )
            raise
    print_study(read_study(folder.path), console, result.new)
    console.say(f"results: {folder.path}")
    console.say(f"report:  {folder.path / 'report.html'}")
    return STALLED if any(found.status == "stalled" for found in result.cells) else 0


def _resume_file(study: LoadedStudy, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `cutlayer resume` needs to know."""
    scenario, written = study.base.resolved(), study.written()
    return content_of("sweep", study.document.source, scenario, options, written)


def workers(
    jobs: int | None,
    scheduler: str | None,
    threads: int,
    executor: str,
    device: str,
    note: Note = lambda _: None,
) -> Workers:
    """Return the workers: a cluster, this process for a single job at a time, or processes.

    `note` gets a line while a command waits for a cluster.
    """
    trains = executor_entry(executor).trains
    if scheduler is not None:
        settings = ExecutorSettings(device=device)
        measure = partial(numerics_of, executor, settings) if trains else None
        if jobs is not None:
            raise UserError("--jobs and --scheduler: give one of the two")
        return Cluster(scheduler, threads, measure, note)
    count = jobs or cores()
    if count == 1:
        return Here(threads)
    training = ["cutlayer.sim.learning.inline", "torch._dynamo"] if trains else []
    preload = ["cutlayer.sim.studies.jobs", *training]
    return Processes(count, threads if trains else None, preload=preload)

"""`cutlayer report`: a self-contained page, and its figures for a paper."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.report.figures import write_figures
from cutlayer.sim.report.report import sources_of, write_report
from cutlayer.sim.results.folder import claim_folder


def report_command(
    paths: Sequence[Path], *, out: Path | None, figures: Path | None, force: bool
) -> None:
    """Write the report of runs and studies, and their figures if a folder is given."""
    console = make_console()
    sources = sources_of(paths)
    page = out or paths[0] / "report.html"
    option = None if out is None else "--out"
    if figures is None:
        write_report(paths, page, sources, option=option, force=force)
    else:
        with claim_folder(figures, "figures", option="--figures") as folder:
            write_report(paths, page, sources, option=option, force=force)
            written = write_figures(sources, folder.path)
    console.say(f"report:  {page}")
    if figures is not None:
        console.say(f"figures: {figures} ({len(written)} files)")

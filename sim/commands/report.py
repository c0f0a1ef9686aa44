"""`cutlayer report`: a page to share, and its figures for a paper."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sim.report.paper import write_figures
from sim.report.report import sources_of, write_report
from sim.result_folder import claim_folder


def report_command(
    paths: Sequence[Path], *, out: Path | None, figures: Path | None, force: bool
) -> None:
    """Write the report of some runs and studies, and their figures where a folder is named."""
    console = Console()
    sources = sources_of(paths)
    page = out or paths[0] / "report.html"
    option = None if out is None else "--out"
    if figures is None:
        write_report(paths, page, sources, option=option, force=force)
    else:
        with claim_folder(figures, "figures", option="--figures") as folder:
            write_report(paths, page, sources, option=option, force=force)
            written = write_figures(sources, folder.path)
    console.print(f"report:  {page}", soft_wrap=True, highlight=False)
    if figures is not None:
        console.print(f"figures: {figures} ({len(written)} files)", soft_wrap=True, highlight=False)

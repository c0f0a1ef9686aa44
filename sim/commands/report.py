"""`cutlayer report`: a page to share, and its figures for a paper."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sim.report.paper import write_figures
from sim.report.report import sources_of, write_report
from sim.run_directory import OutputError


def report_command(paths: Sequence[Path], *, out: Path | None, figures: Path | None) -> None:
    """Write the report of some runs and studies, and their figures where a folder is named."""
    console = Console()
    if (
        figures is not None
        and figures.exists()
        and (not figures.is_dir() or any(figures.iterdir()))
    ):
        raise OutputError(f"--figures {figures} exists and is not empty; name a new folder")
    sources = sources_of(paths)
    page = out or paths[0] / "report.html"
    write_report(paths, page, sources)
    console.print(f"report:  {page}", soft_wrap=True, highlight=False)
    if figures is not None:
        written = write_figures(sources, figures)
        console.print(f"figures: {figures} ({len(written)} files)", soft_wrap=True, highlight=False)

"""From folders to a page: what `cutlayer report` does, and `sweep` and `run` after their work."""

from collections.abc import Sequence
from pathlib import Path

from sim.report.charts import Source
from sim.report.of_run import run_source
from sim.report.of_study import study_source
from sim.report.page import html_page
from sim.run_directory import OutputError
from sim.saved import read


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """Return what is to be shown of some folders. Raises SavedError."""
    found = []
    for path in paths:
        saved = read(path)
        found.append(run_source(saved) if isinstance(saved, list) else study_source(saved))
    return found


def write_report(paths: Sequence[Path], out: Path, sources: Sequence[Source] | None = None) -> None:
    """Write the page of some folders. Raises SavedError, or OutputError if it cannot be written."""
    page = html_page(sources if sources is not None else sources_of(paths))
    unfinished = out.with_name(f"{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}") from None

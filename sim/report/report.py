"""Write the report page of result folders, for `cutlayer report` and `cutlayer sweep`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cutlayer.sim.files.atomic import check_output_file, errors_named, write_text
from cutlayer.sim.files.checksums import checksum
from cutlayer.sim.report.page import html_page
from cutlayer.sim.report.run_page import run_source
from cutlayer.sim.report.study_page import study_source
from cutlayer.sim.results.read import read
from cutlayer.sim.views.charts import Source

SIGNATURE: Final = "<!-- written by Cutlayer: "


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """Return the tabs of run and study folders. Raises SavedError."""
    sources = []
    for path in paths:
        saved = read(path)
        sources.append(run_source(saved) if isinstance(saved, list) else study_source(saved))
    return sources


def write_report(
    paths: Sequence[Path],
    out: Path,
    sources: Sequence[Source] | None = None,
    *,
    option: str | None = None,
    force: bool = False,
) -> None:
    """Write the page of run and study folders.

    A page that a user named with an `option` replaces nothing that exists, any other one only a page
    that was written by this function and not edited since; `force` replaces any file. Raises SavedError,
    or OutputError if the page cannot be written.
    """
    if option is not None:
        check_output_file(out, option, force=force, makes_folder=True)
    elif os.path.lexists(out) and (force or not is_own_page(out)):
        check_output_file(out, "page", force=force)
    page = html_page(sources if sources is not None else sources_of(paths))
    with errors_named(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, signed(page), replace=option is None or force)


def signed(page: str) -> str:
    """Return a page with a last line that holds its checksum."""
    return f"{page}{SIGNATURE}{checksum(page.encode())} -->\n"


def is_own_page(file: Path) -> bool:
    """Whether a file is a page that `write_report` wrote, unedited and not a link."""
    try:
        if file.is_symlink() or not file.is_file():
            return False
        page = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    before, found, _ = page.rpartition(SIGNATURE)
    return bool(found) and page == signed(before)

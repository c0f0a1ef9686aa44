"""`cutlayer export`: a run or a study for other programs."""

from pathlib import Path

from rich.console import Console

from sim.run_directory import OutputError
from sim.saved import read
from sim.saved.export import export


def export_command(path: Path, *, to: str, out: Path) -> None:
    """Write what a folder holds in another format, into a new folder."""
    saved = read(path)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"--out {out} exists and is not empty; name a new folder")
    try:
        written = export(saved, to, out)
    except OSError as error:
        raise OutputError(f"folder {out} cannot be written: {error.strerror}") from None
    Console().print(f"{to}: {len(written)} in {out}", soft_wrap=True, highlight=False)

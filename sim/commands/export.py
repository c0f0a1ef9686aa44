"""`cutlayer export`: a run or a study for other programs."""

from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.results.export import export
from cutlayer.sim.results.folder import claim_folder
from cutlayer.sim.results.read import read


def export_command(path: Path, *, to: str, out: Path) -> None:
    """Write what a folder holds in another format, into a new folder."""
    saved = read(path)
    with claim_folder(out, "export") as folder:
        written = export(saved, to, folder.path)
    make_console().say(f"{to}: {len(written)} in {out}")

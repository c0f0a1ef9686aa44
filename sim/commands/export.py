"""`cutlayer export`: the tables of a run or a study in other formats."""

from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.results.export import export
from cutlayer.sim.results.folder import claim_folder
from cutlayer.sim.results.read import read


def export_command(path: Path, *, to: str, out: Path) -> None:
    """Write the tables of a folder in another format, into a new folder."""
    saved = read(path)
    with claim_folder(out, "export") as folder:
        written = export(saved, to, folder.path)
    make_console().say(f"{to}: {len(written)} in {out}")

"""`cutlayer reproduce`: published figures next to simulated ones."""

from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.commands.progress import PhaseProgress, RunProgress
from cutlayer.sim.files.atomic import write_text
from cutlayer.sim.papers.output import markdown, print_reproduced, write_csv, write_map
from cutlayer.sim.papers.registry import TABLES, TRAINED, Reproduced, reproduce, trained
from cutlayer.sim.results.folder import claim_folder
from cutlayer.sim.validate.table import kendall_tau, timed
from cutlayer.suggestion import suggestion

ALL = "all"


def reproduce_command(name: str, out: Path | None) -> None:
    """Compute and print one table or all, and write them if a folder is given."""
    names = [*TABLES, *TRAINED, ALL]
    if name not in names:
        raise UserError(f"reproduce: unknown table {name!r}{suggestion(name, names)}")
    console = make_console()
    if out is None:
        _reproduce(name, None, console)
        return
    with claim_folder(out, "reproduce") as folder:
        _reproduce(name, folder.path, console)
    console.say(f"results: {out}")


def _reproduce(name: str, folder: Path | None, console: CommandConsole) -> None:
    if name in TRAINED:
        _train(name, folder, console)
        return
    made: list[Reproduced] = []
    for one in TABLES if name == ALL else [name]:
        with PhaseProgress(console) as progress:
            made.append(reproduce(one, progress))
        print_reproduced(made[-1].table, console)
        console.print()
        if folder is not None:
            _write(made[-1], folder)
    if name == ALL:
        console.say(ranking(made))
        if folder is not None:
            write_text(folder / "ranking.txt", ranking(made) + "\n")


def _train(name: str, folder: Path | None, console: CommandConsole) -> None:
    from cutlayer.sim.papers.grid import print_rows, write_rows

    with RunProgress(console) as progress:
        grid = trained(name, progress)
    print_rows(grid, console)
    if folder is not None:
        from cutlayer.sim.papers.methods_chart import methods_figure
        from cutlayer.sim.views.style import save

        write_rows(grid, folder)
        save(methods_figure(), folder, "methods", ("png", "svg"))


def ranking(made: list[Reproduced]) -> str:
    """Return a sentence on the order of all measured times."""
    tables = [one.table for one in made]
    every, predicted = timed(tables), timed(tables, only_predicted=True)
    return (
        f"Order of the measured times, Kendall's tau: {kendall_tau(every):.2f} over {len(every)} rows,"
        f" {kendall_tau(predicted):.2f} over the {len(predicted)} that are not fitted."
    )


def _write(made: Reproduced, folder: Path) -> None:
    from cutlayer.sim.papers.figures import map_figure, table_figure
    from cutlayer.sim.views.style import save

    table = made.table
    write_csv(table, folder / f"{table.name}.csv")
    write_text(folder / f"{table.name}.md", markdown(table))
    save(table_figure(table), folder, table.name, ("png", "svg"))
    if made.points:
        write_map(made.points, folder / f"{table.name}_map.csv")
        save(map_figure(made.points), folder, f"{table.name}_map", ("png", "svg"))

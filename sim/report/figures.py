"""Every chart of a report as files for a paper: SVG, PDF and CSV."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.sim.files.atomic import errors_named, whole_text
from cutlayer.sim.files.csv_text import CsvWriter, write_rows
from cutlayer.sim.files.plain_text import FileNames
from cutlayer.sim.views import style
from cutlayer.sim.views.charts import Chart, Source, Table, csv_rows
from cutlayer.sim.views.draw import figure_of

FORMATS = ("svg", "pdf")


def write_figures(sources: Sequence[Source], folder: Path) -> list[Path]:
    """Write every chart of every source as .svg, .pdf and .csv, every table as .csv."""
    with errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    names = FileNames()
    for number, source in enumerate(sources):
        before = f"{number + 1}-" if len(sources) > 1 else ""
        for tab in source.tabs:
            for part in tab.parts:
                if isinstance(part, Table):
                    written.append(folder / f"{names.of(before + part.name)}.csv")
                    with whole_text(written[-1]) as file:
                        writer = CsvWriter(file, part.columns)
                        for row in part.rows:
                            writer.add_values(row)
                elif isinstance(part, tuple):
                    for chart in part:
                        choice = f"-{chart.choice}" if chart.choice else ""
                        written += _write(chart, folder, names.of(before + chart.name + choice))
    return written


def _write(chart: Chart, folder: Path, name: str) -> list[Path]:
    table = folder / f"{name}.csv"
    with whole_text(table) as file:
        write_rows(file, csv_rows(chart))
    return [*style.save(figure_of([[chart]]), folder, name, FORMATS), table]

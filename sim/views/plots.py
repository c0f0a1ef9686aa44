"""The pictures of a run, written into its folder."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.sim.results.estimate import as_runs
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.views.accuracy_plot import accuracy_figure
from cutlayer.sim.views.links_plot import links_figure
from cutlayer.sim.views.rounds_plot import rounds_figure
from cutlayer.sim.views.style import save


def write_plots(result: RunResult | Sequence[RunResult], folder: Path) -> list[Path]:
    """Write accuracy, rounds and links as PNG and SVG; return the files that were written.

    `accuracy` is left out where nothing was trained. A list is several seeds of one scenario; links
    are those of the first.
    """
    runs = as_runs(result)
    figures = (
        ("accuracy", accuracy_figure(runs)),
        ("rounds", rounds_figure(runs)),
        ("links", links_figure(runs[0])),
    )
    return [
        path
        for name, figure in figures
        if figure is not None
        for path in save(figure, Path(folder), name, ("png", "svg"))
    ]

"""The pictures of a run, drawn from its folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views import style
from cutlayer.sim.views.accuracy import accuracy_charts
from cutlayer.sim.views.draw import figure_of
from cutlayer.sim.views.links import strips
from cutlayer.sim.views.rounds import critical_path_chart, idle_chart, traffic_chart
from cutlayer.sim.views.timeline import timelines
from cutlayer.sim.views.training import confusion_charts, loss_charts
from cutlayer.sim.views.updates import (
    asynchronous,
    contribution_charts,
    staleness_chart,
    versions_chart,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLIENTS: Final = 8  # of a timeline
MOST_DEVICES: Final = 8  # of a plot of contributions; with more kinds it shows the clients


def write_plots(runs: Sequence[SavedRun], folder: Path) -> list[Path]:
    """Write the pictures of a run as PNG and SVG, the timeline as PNG only; return the files.

    Pictures without data are left out. `runs` are the seeds of one scenario; links and timelines are
    those of the first.
    """
    written = []
    for name, figure in figures(runs).items():
        formats = ("png",) if name == "timeline" else ("png", "svg")
        written += style.save(figure, Path(folder), name, formats)
    return written


def figures(runs: Sequence[SavedRun]) -> "dict[str, Figure]":
    """Return the pictures of a run by name."""
    first, name = runs[0], _name(runs)
    pictures = {}
    if accuracy := accuracy_charts(runs):
        pictures["accuracy"] = figure_of([[accuracy[0]]], name)
    if loss := loss_charts(runs):
        over_rounds = [chart for chart in loss if chart.choice.endswith("over rounds")]
        pictures["loss"] = figure_of([over_rounds], name, 12.0)
    if confusion := confusion_charts(first):
        row = [replace(chart, title=f"{chart.title}, {chart.choice}") for chart in confusion]
        pictures["confusion"] = figure_of([[chart] for chart in row], name, 8.0)
    if (traffic := traffic_chart(runs)).series:
        row = [traffic, critical_path_chart(runs)]
        idle = idle_chart(runs)
        row += [idle] if idle is not None else []
        pictures["rounds"] = figure_of([row], f"{name} (simulated)", 15.0, (4, 5, 2)[: len(row)])
    if asynchronous(runs):
        panels = [staleness_chart(runs), versions_chart(first)]
        if contribution := contribution_charts(runs):
            by_device, by_client = contribution
            many = len(set(by_device.series[0].y)) > MOST_DEVICES
            panels.append(by_client if many else by_device)
        pictures["updates"] = figure_of([panels], f"{name}: updates", 16.0)
    if links := strips(first):
        title = f"{name}: link utilisation (0 to 100 %; on the right the mean)"
        pictures["links"] = figure_of(links, title, 15.0)
    if rounds := timelines(first, 1, MOST_CLIENTS):
        nouns = " or ".join(sorted({first.noun(label) for label in first.methods}))
        title = f"{name}: one {nouns} of each method"
        pictures["timeline"] = figure_of([[chart] for chart in rounds], title, 12.0)
    return pictures


def _name(runs: Sequence[SavedRun]) -> str:
    seeds = [str(run.seed) for run in runs]
    if len(seeds) > 8:
        return f"{runs[0].name}, {len(seeds)} seeds"
    return f"{runs[0].name}, seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"

"""Accuracy over virtual time, all methods in one picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cutlayer.sim.results.estimate import by_label, estimate, scenario_name
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.views import style
from cutlayer.sim.views.quantities import TIMES, common_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float, float]  # virtual time s, accuracy, half width


def accuracy_figure(runs: Sequence[RunResult]) -> "Figure | None":
    """Return the picture, or None if nothing was trained.

    Several seeds give the mean accuracy at the mean time of each evaluation, with its 95 %
    t-interval as a band.
    """
    curves = {
        label: curve for label, results in by_label(runs).items() if (curve := mean_curve(results))
    }
    if not curves:
        return None
    ends = [curve[-1][0] for curve in curves.values()]
    logarithmic = style.needs_log(ends)
    unit, factor = common_unit(ends if logarithmic else [max(ends)], TIMES)
    rows = (len(curves) + 1) // 2
    figure = style.new_figure(8.5, 5.0 + 0.3 * rows)
    axes = figure.add_subplot()
    for position, (label, curve) in enumerate(curves.items()):
        points = np.array(curve)
        times, means, halves = points[:, 0] / factor, 100 * points[:, 1], 100 * points[:, 2]
        colour = style.METHOD_COLOURS[position % len(style.METHOD_COLOURS)]
        axes.plot(
            times,
            means,
            color=colour,
            linestyle=style.LINE_STYLES[position // len(style.METHOD_COLOURS) % 4],
            linewidth=2.2,
            marker=style.METHOD_MARKERS[position % len(style.METHOD_MARKERS)],
            markevery=max(1, len(curve) // 10),
            markersize=7,
            label=style.legend_name(label),
        )
        if halves.any():
            axes.fill_between(
                times, means - halves, means + halves, color=colour, alpha=0.2, linewidth=0
            )
    style.dress(axes, "both")
    _mark_targets(axes, runs)
    if logarithmic:
        axes.set_xscale("log")
        style.plain_log_ticks(axes)
    else:
        axes.set_xlim(left=0)
    axes.set_xlabel(f"virtual time ({unit}, simulated)", fontsize=style.TEXT_SIZE)
    axes.set_ylabel("test accuracy (%)", fontsize=style.TEXT_SIZE)
    axes.set_title(scenario_name(runs), fontsize=style.TEXT_SIZE, loc="left")
    figure.legend(
        loc="outside lower center", ncols=2, fontsize=style.SMALL_TEXT_SIZE, frameon=False
    )
    return figure


def mean_curve(results: Sequence[MethodResult]) -> list[Point]:
    """Return a method's curve over its seeds, as far as every trained seed was evaluated."""
    curves = [result.curve for result in results if result.curve]
    points = []
    for evaluations in zip(*curves, strict=False):
        accuracy = estimate(value for _, value in evaluations)
        assert accuracy is not None
        time_s = float(np.mean([time for time, _ in evaluations]))
        points.append((time_s, accuracy.mean, accuracy.half_width or 0.0))
    return points


def _mark_targets(axes: "Axes", runs: Sequence[RunResult]) -> None:
    targets = dict.fromkeys(t for run in runs for m in run.methods.values() for t in m.targets)
    for target in targets:
        axes.axhline(100 * target, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{100 * target:g} %",
            (1.01, 100 * target),
            xycoords=("axes fraction", "data"),
            fontsize=style.SMALL_TEXT_SIZE,
            color=style.GREY,
            va="center",
        )

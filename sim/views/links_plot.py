"""How full links are over virtual time: of the run round by round, and within one round.

Links that several clients use have a strip each, the busiest first; access links have one for each
direction, with the mean over those in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.link_use import ACCESS
from cutlayer.sim.results.estimate import scenario_name
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.round import KeptRound
from cutlayer.sim.views import style
from cutlayer.sim.views.quantities import TIMES, common_unit, quantity, significant
from cutlayer.sim.views.steps import Steps, access_steps, run_steps, shared_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_STRIPS: Final = 24  # of all methods together
FEWEST: Final = 2  # of one method
MOST: Final = 6
PIXELS: Final = 900  # steps finer than that are averaged
FULL: Final = 0.995
STRIP_INCHES: Final = 0.55
HEAD_INCHES: Final = 0.95
LONGEST: Final = 30  # letters of a name


@dataclass(frozen=True)
class Strip:
    """A link's, or the access links', share in use: over the run, and in one round if known."""

    name: str
    run: Steps
    rnd: Steps | None


def strips(result: MethodResult, kept: KeptRound, most: int) -> list[Strip]:
    """Return the busiest lines of a method's links, the busiest over the run first."""
    used: dict[str, float] = {}
    for rnd in result.rounds:
        for line, share in rnd.utilisation.items():
            used[line] = used.get(line, 0.0) + share * rnd.round_time_s
    busiest = sorted(used, key=lambda line: -used[line])[:most]
    end_s = result.virtual_time_s
    capacities = {name: total / end_s for name, total in result.capacity_s.items()}
    found = []
    for line in busiest:
        series = kept.record.loads.get(line)
        steps = None
        if series is not None:
            steps = shared_steps(series, kept.record.duration_s)
        elif line in ACCESS.values():
            steps = access_steps(kept, line, capacities)
        found.append(Strip(line, run_steps(result.rounds, line), steps))
    return found


def links_figure(run: RunResult) -> "Figure | None":
    """Return the picture of one seed, a panel a method; None without a round that used links."""
    methods = [method for method in run.methods.values() if method.rounds and method.kept]
    most = int(np.clip(MOST_STRIPS // max(len(methods), 1), FEWEST, MOST))
    panels = [(m, m.kept[0], strips(m, m.kept[0], most)) for m in methods]
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return None
    total = sum(len(found) for *_, found in panels)
    height = 0.9 + total * STRIP_INCHES + len(panels) * HEAD_INCHES
    figure = style.new_figure(13.0, height)
    rows = figure.subplots(total, 2, squeeze=False)
    for method, kept, found in panels:
        _panel(rows[: len(found)], method, kept, found)
        rows = rows[len(found) :]
    _legend(figure, run)
    return figure


def _panel(
    rows: NDArray[np.object_], method: MethodResult, kept: KeptRound, found: Sequence[Strip]
) -> None:
    """Draw a method's strips, one a row: the run on the left, the round on the right."""
    _titles(rows[0, 0], rows[0, 1], method, kept)
    spans_s = method.virtual_time_s, kept.record.duration_s
    for row, strip in zip(rows, found, strict=True):
        for axes, steps, span_s in zip(row, (strip.run, strip.rnd), spans_s, strict=True):
            unit, factor = common_unit([span_s], TIMES)
            _strip(axes, steps, factor)
            axes.set_xlim(0, span_s / factor or 1.0)
            last = strip is found[-1]
            axes.tick_params(labelbottom=last)
            if last:
                axes.set_xlabel(f"virtual time ({unit})", fontsize=style.SMALL_TEXT_SIZE)
        row[0].set_ylabel(
            _short(strip.name),
            rotation=0,
            ha="right",
            va="center",
            fontsize=style.SMALL_TEXT_SIZE,
        )


def _titles(left: "Axes", right: "Axes", method: MethodResult, kept: KeptRound) -> None:
    count = len(method.rounds)
    rounds = f"{count} round{'s' if count > 1 else ''}"
    left.set_title(
        f"{method.label}: the run, {rounds}", fontsize=style.TEXT_SIZE, loc="left", weight="bold"
    )
    took = quantity(kept.record.duration_s, TIMES)
    right.set_title(
        f"within round {kept.index} ({kept.round_type}), {took}",
        fontsize=style.TEXT_SIZE,
        loc="left",
    )


def _strip(axes: "Axes", steps: Steps | None, unit_s: float) -> None:
    """Draw a share over time as an area, with what is full in another colour."""
    style.dress(axes, "x")
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if steps is None:
        return
    mean = steps.integral / (steps.times[-1] - steps.times[0]) if steps.times[-1] else 0.0
    drawn = steps.thinned(PIXELS)
    values = np.minimum(drawn.values, 1.0)
    for colour, chosen in (
        (style.BLUE, values),
        (style.VERMILLION, np.where(values >= FULL, values, 0.0)),
    ):
        axes.stairs(chosen, drawn.times / unit_s, fill=True, color=colour, linewidth=0)
    axes.annotate(
        f"{significant(100 * mean, 2)} %",
        (1.0, 0.5),
        xycoords="axes fraction",
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=style.SMALL_TEXT_SIZE,
    )


def _legend(figure: "Figure", run: RunResult) -> None:
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Patch(color=style.BLUE, label="share of capacity in use"),
            Patch(color=style.VERMILLION, label="full"),
        ],
        loc="outside upper right",
        ncols=2,
        fontsize=style.SMALL_TEXT_SIZE,
        frameon=False,
    )
    figure.suptitle(
        f"{scenario_name([run])}: how full the links are (0 to 100 %; on the right the mean)",
        fontsize=style.TEXT_SIZE,
        x=0.01,
        ha="left",
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 12]}...{name[-9:]}"

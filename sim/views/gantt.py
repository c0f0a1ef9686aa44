"""One round of each method as a timeline: who computed, sent, queued and waited when."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.log.intervals import PHASES, Phase
from cutlayer.sim.results.estimate import as_runs, scenario_name
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.round import KeptRound
from cutlayer.sim.views import style
from cutlayer.sim.views.lanes import assign_lanes
from cutlayer.sim.views.quantities import TIMES, common_unit, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLIENTS: Final = 8
NARROW: Final = 1 / 200  # of the time axis; white edges would hide narrower intervals
LANE_INCHES: Final = 0.3
FILLED: Final = 0.84  # of a lane's height
CLIENT_PARTS: Final = (Phase.DEVICE_COMPUTE, Phase.UPLINK, Phase.DOWNLINK)


def write_timeline(result: RunResult | Sequence[RunResult], folder: Path) -> list[Path]:
    """Write timeline.png into `folder`: the first kept round of each method of the first seed.

    Returns the files written: none if no round was kept.
    """
    figure = timeline_figure(as_runs(result)[0])
    return style.save(figure, Path(folder), "timeline", ("png",)) if figure is not None else []


def timeline_figure(run: RunResult) -> "Figure | None":
    """Return the picture, one panel per method and one lane per actor, or None without a round."""
    kept = {label: method.kept[0] for label, method in run.methods.items() if method.kept}
    if not kept:
        return None
    lanes = [min(len(rnd.participants), MOST_CLIENTS) + 1 for rnd in kept.values()]
    durations = [rnd.record.duration_s for rnd in kept.values()]
    shared = not style.needs_log(durations)
    longest = max(durations)
    figure = style.new_figure(12.0, 1.3 + sum(0.95 + LANE_INCHES * count for count in lanes))
    panels = figure.subplots(len(kept), 1, squeeze=False, height_ratios=[n + 2 for n in lanes])
    for axes, (label, rnd) in zip(panels[:, 0], kept.items(), strict=True):
        _panel(axes, label, rnd, longest if shared else rnd.record.duration_s)
    from matplotlib.patches import Patch

    churned = any((rnd.record.intervals.phase == Phase.OFFLINE).any() for rnd in kept.values())
    shown = [phase for phase in Phase if phase != Phase.OFFLINE or churned]
    figure.legend(
        handles=[
            Patch(color=style.PHASE_COLOURS[phase], label=PHASES[phase].replace("_", " "))
            for phase in shown
        ],
        loc="outside lower center",
        ncols=len(shown),
        fontsize=style.SMALL_TEXT_SIZE,
        frameon=False,
    )
    scale = "one time axis for all" if shared else "each panel has a time axis of its own"
    figure.suptitle(
        f"{scenario_name([run])}: one round of each method ({scale})",
        fontsize=style.TEXT_SIZE,
        x=0.01,
        ha="left",
    )
    return figure


def _panel(axes: "Axes", label: str, kept: KeptRound, span_s: float) -> None:
    """Draw a round: the server's lane on top, a lane for each of the first clients below."""
    log = kept.record.intervals
    unit, factor = common_unit([span_s], TIMES)
    starts, ends = log.start / factor, log.end / factor

    def draw(rows: NDArray[np.intp], phase: Phase, top: float, height: float) -> None:
        widths = ends[rows] - starts[rows]
        narrow = len(rows) > 0 and float(widths.min()) < NARROW * span_s / factor
        colour = style.PHASE_COLOURS[phase]
        axes.broken_barh(
            np.column_stack((starts[rows], widths)).tolist(),
            (top, height),
            facecolor=colour,
            edgecolor=colour if narrow else "white",
            linewidth=0.5,
        )

    # The server's lane: a slot under the other, and below them whether anybody waits.
    computing = np.flatnonzero(log.phase == Phase.SERVER_COMPUTE)
    slots = assign_lanes(starts[computing].tolist(), ends[computing].tolist())
    count = int(slots.max()) + 1 if len(slots) else 1
    for slot in range(count):
        height = 0.7 * FILLED / count
        draw(computing[slots == slot], Phase.SERVER_COMPUTE, slot * height, height)
    waiting = np.flatnonzero(log.phase == Phase.SERVER_QUEUE)
    draw(waiting, Phase.SERVER_QUEUE, 0.7 * FILLED, 0.3 * FILLED)

    clients = kept.participants[:MOST_CLIENTS]
    offline = np.flatnonzero(log.phase == Phase.OFFLINE)
    for client in range(len(clients)):
        draw(offline[log.peer[offline] == client], Phase.OFFLINE, client + 1, FILLED)
    height = FILLED / len(CLIENT_PARTS)
    for part, phase in enumerate(CLIENT_PARTS):
        rows = np.flatnonzero(log.phase == phase)
        member_of = (log.peer if phase == Phase.DOWNLINK else log.actor)[rows]
        for client in range(len(clients)):
            draw(rows[member_of == client], phase, client + 1 + part * height, height)

    style.dress(axes, "x")
    axes.set_xlim(0, span_s / factor)
    axes.set_ylim(len(clients) + 1, -(1 - FILLED))
    axes.set_yticks(np.arange(len(clients) + 1) + FILLED / 2, ["server", *style.shown(clients)])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"virtual time since the round began ({unit})", fontsize=style.SMALL_TEXT_SIZE)
    more = len(kept.participants) - len(clients)
    note = f"; {more} more clients are not drawn" if more else ""
    took = quantity(kept.record.duration_s, TIMES)
    axes.set_title(
        f"{label}: round {kept.index} ({kept.round_type}), {took}{note}",
        fontsize=style.TEXT_SIZE,
        loc="left",
    )

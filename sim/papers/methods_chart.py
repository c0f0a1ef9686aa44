"""A picture of all methods: what the first client of each does in a round, in one Gantt line each.

A line has three lanes: the device on top, its transfers in the middle, the server below.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from cutlayer.sim.log.intervals import SERVER, Phase
from cutlayer.sim.papers.fairness import SCENARIO
from cutlayer.sim.results.critical_path import NAMES
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.run import load_scenario, run
from cutlayer.sim.views.style import (
    PHASE_COLOURS,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    dress,
    new_figure,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Two clients with two or three batches each, so that single messages are visible.
SHORT: Final = (
    "seeds=[0]",
    "training.rounds=1",
    "training.clients_per_round=2",
    "training.batch_size=50",
    "data.partition=iid",
)
LANES: Final = {
    Phase.DEVICE_COMPUTE: 0,
    Phase.UPLINK: 1,
    Phase.DOWNLINK: 1,
    Phase.SERVER_QUEUE: 2,
    Phase.SERVER_COMPUTE: 2,
}
LANE: Final = 0.27  # the height of a lane; a method's line has the height 1
ROW_INCHES: Final = 0.42


def methods_figure() -> "Figure":
    """Simulate a round of each method, without training, and return the picture."""
    (result,) = run(load_scenario(SCENARIO, SHORT), executor="none", log="events")
    return figure_of({label: one for label, one in result.methods.items() if one.kept})


def figure_of(methods: Mapping[str, MethodResult]) -> "Figure":
    """Return the picture of the first kept round of each method: the intervals of its first member."""
    figure = new_figure(11, 1.4 + ROW_INCHES * len(methods))
    axes = figure.add_subplot()
    dress(axes, "x")
    for line, result in enumerate(methods.values()):
        log = result.kept[0].record.intervals
        own = (log.actor == 0) | ((log.actor == SERVER) & (log.peer == 0))
        begun = log.start[own].min()
        for phase, lane in LANES.items():
            rows = np.flatnonzero(own & log.of(phase))
            bars = [(log.start[row] - begun, log.end[row] - log.start[row]) for row in rows]
            top = line - 0.5 + 0.1 + lane * LANE
            colour = PHASE_COLOURS[phase]
            axes.broken_barh(bars, (top, LANE), facecolors=colour, edgecolors=colour, linewidth=0.8)
    axes.set_yticks(range(len(methods)), shown(methods), fontsize=SMALL_TEXT_SIZE)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("virtual time since the client began (s)", fontsize=TEXT_SIZE)
    for phase in LANES:
        axes.barh(0, 0, color=PHASE_COLOURS[phase], label=NAMES[phase.name.lower()])
    figure.legend(loc="outside upper center", ncols=len(LANES), frameon=False)
    return figure
